//! AWS's own service models, from botocore, as the witness: what trueup and its authors believe of AWS is
//! held against what AWS publishes of itself.

mod boundaries;
mod members;
