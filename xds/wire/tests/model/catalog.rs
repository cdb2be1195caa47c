//! A catalog that is easy to believe: two maps.

use std::collections::BTreeMap;

use forebay_xds_wire::namespace;
use forebay_xds_wire::server::{Catalog, Entry};
use prost::Message;

/// What every resource looks like here: the name where all xDS resources have it, and a number.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Body {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint32, tag = "2")]
    pub(crate) number: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    head: u64,
    pub(crate) live: BTreeMap<(String, String), Stored>,
    gone: BTreeMap<(String, String), Stored>,
}

#[derive(Debug, Clone)]
pub(crate) struct Stored {
    seq: u64,
    pub(crate) number: u8,
    body: Vec<u8>,
}

impl Model {
    pub(crate) fn set(&mut self, type_url: &str, name: &str, number: u8) {
        let key = (type_url.to_owned(), name.to_owned());
        if self.live.get(&key).is_some_and(|stored| stored.number == number) {
            return;
        }
        self.head += 1;
        self.gone.remove(&key);
        let body = Body { name: name.to_owned(), number: number.into() }.encode_to_vec();
        self.live.insert(key, Stored { seq: self.head, number, body });
    }

    pub(crate) fn remove(&mut self, type_url: &str, name: &str) {
        let key = (type_url.to_owned(), name.to_owned());
        if let Some(stored) = self.live.remove(&key) {
            self.head += 1;
            self.gone.insert(key, Stored { seq: self.head, ..stored });
        }
    }
}

fn range<'a>(
    map: &'a BTreeMap<(String, String), Stored>,
    type_url: &str,
    after: u64,
    up_to: u64,
) -> Box<dyn Iterator<Item = Entry<'a>> + 'a> {
    let mut entries: Vec<_> = map
        .iter()
        .filter(|((t, _), stored)| t == type_url && stored.seq > after && stored.seq <= up_to)
        .map(entry)
        .collect();
    entries.sort_by_key(|e| e.seq);
    Box::new(entries.into_iter())
}

fn entry<'a>(((_, name), stored): (&'a (String, String), &'a Stored)) -> Entry<'a> {
    Entry { seq: stored.seq, name, version: stored.number.into(), body: stored.body.as_slice().into() }
}

impl Catalog for Model {
    fn head(&self) -> u64 {
        self.head
    }

    fn find(&self, type_url: &str, name: &str) -> Option<Entry<'_>> {
        self.live.get_key_value(&(type_url.to_owned(), name.to_owned())).map(entry)
    }

    fn all<'a>(&'a self, type_url: &str, space: Option<&str>) -> Box<dyn Iterator<Item = Entry<'a>> + 'a> {
        let (type_url, space) = (type_url.to_owned(), space.map(str::to_owned));
        let all = self.live.iter().filter(move |((t, _), _)| *t == type_url).map(entry);
        Box::new(all.filter(move |e| space.is_none() || namespace(e.name) == space.as_deref()))
    }

    fn changed<'a>(
        &'a self,
        type_url: &str,
        after: u64,
        up_to: u64,
    ) -> Box<dyn Iterator<Item = Entry<'a>> + 'a> {
        range(&self.live, type_url, after, up_to)
    }

    fn removed<'a>(
        &'a self,
        type_url: &str,
        after: u64,
        up_to: u64,
    ) -> Box<dyn Iterator<Item = Entry<'a>> + 'a> {
        range(&self.gone, type_url, after, up_to)
    }

    fn forgotten(&self, _: &str) -> u64 {
        0
    }
}
