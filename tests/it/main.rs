//! Everything that needs more than one module: the engine on the embedded AWS under virtual time, the
//! real binary, other AWS clients, and the rules of the house.

mod harness;

mod binary;
mod clients;
mod converge;
mod deletion;
mod drift;
mod emulators;
mod faults;
mod house;
mod manifests;
mod ownership;
mod proof;
mod python;
mod releases;
mod sweep;
