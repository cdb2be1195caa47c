//! What a stream asks of the store. Knows nothing of streams.

use std::borrow::Cow;

/// The resources there are, and their history. One sequence of numbers runs over all types; every change has its own.
pub trait Catalog {
    /// The number of the last change.
    fn head(&self) -> u64;
    /// A resource by name.
    fn find(&self, type_url: &str, name: &str) -> Option<Entry<'_>>;
    /// All resources of a type by name; those of a namespace only, when one is given.
    fn all<'a>(&'a self, type_url: &str, namespace: Option<&str>)
    -> Box<dyn Iterator<Item = Entry<'a>> + 'a>;
    /// Resources whose last change is in `after + 1 ..= up_to`, oldest first.
    fn changed<'a>(
        &'a self,
        type_url: &str,
        after: u64,
        up_to: u64,
    ) -> Box<dyn Iterator<Item = Entry<'a>> + 'a>;
    /// Resources that were removed in `after + 1 ..= up_to` and are not back, oldest first, as they last were.
    fn removed<'a>(
        &'a self,
        type_url: &str,
        after: u64,
        up_to: u64,
    ) -> Box<dyn Iterator<Item = Entry<'a>> + 'a>;
    /// Removals up to this number may be missing from [`Self::removed`].
    fn forgotten(&self, type_url: &str) -> u64;
}

/// One resource.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The number of its last change.
    pub seq: u64,
    /// Its name.
    pub name: &'a str,
    /// A hash of its content: the same content has the same version in every process.
    pub version: u64,
    /// The encoded message.
    pub body: Cow<'a, [u8]>,
}

impl Entry<'_> {
    /// The version as it is written on the wire.
    pub fn version_text(&self) -> String {
        format!("{:016x}", self.version)
    }
}

/// What one resource adds to the version of a set of them. The version of a set is the sum: it does not depend on the
/// order, and a change of one resource changes it by a subtraction and an addition.
pub fn weight(name: &str, version: u64) -> u64 {
    // FNV-1a over the name, then splitmix64's finaliser, so that sums of close versions do not cancel out.
    let named = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut z = named ^ version.rotate_left(32);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
