//! The two edges of a run.

/// An edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The one that always reaches the service when that is up.
    Steady,
    /// The one that is cut off now and then.
    CutOff,
}

/// Something of each edge.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PerEdge<T> {
    steady: T,
    cut_off: T,
}

impl Edge {
    pub(crate) const ALL: [Self; 2] = [Self::Steady, Self::CutOff];

    /// Its name, for the key service and for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Steady => "edge-1",
            Self::CutOff => "edge-2",
        }
    }
}

impl<T> PerEdge<T> {
    pub(crate) fn new(steady: T, cut_off: T) -> Self {
        Self { steady, cut_off }
    }

    pub(crate) fn of(&self, edge: Edge) -> &T {
        match edge {
            Edge::Steady => &self.steady,
            Edge::CutOff => &self.cut_off,
        }
    }

    pub(crate) fn of_mut(&mut self, edge: Edge) -> &mut T {
        match edge {
            Edge::Steady => &mut self.steady,
            Edge::CutOff => &mut self.cut_off,
        }
    }
}
