use crate::fleet::Objects;

pub fn beside(_: Objects) {}
