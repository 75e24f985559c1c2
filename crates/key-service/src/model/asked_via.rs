//! Through which part of this process a request came, when it did not come from a client directly.

/// What asks on behalf of a person. It is put into the extensions of a request inside of this process, so no
/// client can claim it. Its name, in snake case, is in the store and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AskedVia {
    /// The web console.
    Console,
}
