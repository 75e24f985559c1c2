//! Where random bytes come from.

/// Draws random bytes fit for secrets.
pub trait Randomness: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] when the source has none; `bytes` must not be used then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The operating system's source.
#[derive(Clone, Copy, Debug)]
pub struct SystemRandomness;

/// The random source failed. Nothing secret may be made then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source failed")]
pub struct NoRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::fill(bytes).map_err(|_| NoRandomness)
    }
}

/// Draws `LEN` random bytes.
///
/// # Errors
///
/// [`NoRandomness`] when the source has none.
pub fn draw<const LEN: usize>(randomness: &dyn Randomness) -> Result<[u8; LEN], NoRandomness> {
    let mut bytes = [0; LEN];
    randomness.fill(&mut bytes)?;
    Ok(bytes)
}
