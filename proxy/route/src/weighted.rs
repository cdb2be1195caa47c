//! Clusters by weight. Knows a cluster only by its index.

use std::sync::{Arc, LazyLock};

use forebay_base::rng::Rng;

use crate::headers::HeaderOps;
use crate::per_filter::PerFilter;

/// A cluster's dense index, given by the model and stable as long as anybody names the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterIx(pub u32);

/// One backend of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The cluster's index.
    pub cluster: ClusterIx,
    /// The cluster's name, for people; or of the request header that names it ([`Split::cluster_header`]).
    pub name: Arc<str>,
    /// Its share of [`Weighted::total`]; 0 gets nothing.
    pub weight: u32,
    /// Header operations of this split alone.
    pub headers: HeaderOps,
    /// What filters are told for this split alone.
    pub filters: PerFilter,
    /// `host_rewrite_literal`; goes before the route's.
    pub host_rewrite: Option<Arc<str>>,
}

impl Split {
    /// The index of a cluster that only the request can tell.
    pub const BY_HEADER: ClusterIx = ClusterIx(u32::MAX);

    /// The request header (lower-case name) that names the cluster, where one does.
    #[inline]
    pub fn cluster_header(&self) -> Option<&str> {
        (self.cluster == Self::BY_HEADER && !self.name.is_empty()).then_some(&*self.name)
    }

    /// A split that changes nothing in the request.
    pub fn new(cluster: ClusterIx, name: impl Into<Arc<str>>, weight: u32) -> Self {
        Self {
            cluster,
            name: name.into(),
            weight,
            headers: HeaderOps::default(),
            filters: PerFilter::NONE,
            host_rewrite: None,
        }
    }
}

/// Splits whose weights add up to something.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted {
    splits: Box<[Split]>,
    total: u32,
}

impl Weighted {
    /// # Errors
    /// No splits, or a sum of weights that is 0 or above `u32::MAX`; Envoy refuses the same.
    pub fn new(splits: Vec<Split>) -> Result<Self, InvalidWeights> {
        if splits.is_empty() {
            return Err(InvalidWeights::Empty);
        }
        let total = splits.iter().try_fold(0u32, |sum, split| sum.checked_add(split.weight));
        match total {
            None => Err(InvalidWeights::TooHeavy),
            Some(0) => Err(InvalidWeights::Zero),
            Some(total) => Ok(Self { splits: splits.into(), total }),
        }
    }

    /// The whole of the traffic to one cluster.
    pub fn single(cluster: ClusterIx, name: impl Into<Arc<str>>) -> Self {
        Self { splits: Box::new([Split::new(cluster, name, 1)]), total: 1 }
    }

    /// Nothing to draw from: the request itself says where it goes ([`Rare::cluster_header`](crate::Rare)).
    pub fn nowhere() -> Self {
        Self { splits: Box::default(), total: 1 }
    }

    /// In the order given.
    pub fn splits(&self) -> &[Split] {
        &self.splits
    }

    /// The sum of weights, at least 1.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Draws a split; each request draws for itself, nothing is sticky.
    #[inline]
    pub fn pick(&self, rng: &Rng) -> &Split {
        if let [only] = &*self.splits {
            return only;
        }
        if self.splits.is_empty() {
            return &NOWHERE;
        }
        let mut left = rng.below(self.total);
        for split in &self.splits {
            if left < split.weight {
                return split;
            }
            left -= split.weight;
        }
        unreachable!("a number below the sum of weights falls into one of them")
    }
}

/// What is drawn from nothing: a cluster that there is not.
static NOWHERE: LazyLock<Split> = LazyLock::new(|| Split::new(Split::BY_HEADER, "", 1));

/// Why weights cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWeights {
    #[error("no clusters")]
    Empty,
    #[error("the sum of weights is above 4294967295")]
    TooHeavy,
    #[error("the sum of weights must be greater than 0")]
    Zero,
}

#[cfg(test)]
mod tests;
