//! The domains of one virtual host. There are thousands of hosts with some five each, so all of them are one text.

use std::fmt;

/// Domains in order, lower-case: `a.example`, `*.example`, `a.*`, `*`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DomainList(Box<str>);

/// Behind each domain. No host that a request names has one: the codecs refuse it.
const END: char = '\n';

/// Where a domain is in its list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    start: u32,
    len: u32,
}

impl DomainList {
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_terminator(END)
    }

    /// The domains with their places.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Place, &str)> {
        let mut start = 0;
        self.iter().map(move |domain| {
            let place = Place { start: start as u32, len: domain.len() as u32 };
            start += domain.len() + END.len_utf8();
            (place, domain)
        })
    }

    /// The domain at a place of this list.
    #[inline]
    pub(crate) fn at(&self, Place { start, len }: Place) -> &str {
        &self.0[start as usize..][..len as usize]
    }
}

/// In any case. A line break, which no host has that a request names, is left out.
impl<D: AsRef<str>> FromIterator<D> for DomainList {
    fn from_iter<I: IntoIterator<Item = D>>(domains: I) -> Self {
        let mut all = String::new();
        for domain in domains {
            all.extend(domain.as_ref().chars().filter(|c| *c != END).map(|c| c.to_ascii_lowercase()));
            all.push(END);
        }
        Self(all.into())
    }
}

impl fmt::Debug for DomainList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_domain_is_found_at_its_place() {
        let list: DomainList = ["A.example", "*.Ä.example", "", "*"].into_iter().collect();
        let texts: Vec<&str> = list.iter().collect();
        assert_eq!(texts, ["a.example", "*.Ä.example", "", "*"]);
        let again: Vec<&str> = list.places().map(|(place, _)| list.at(place)).collect();
        assert_eq!(again, texts);
        assert_eq!(format!("{:?}", DomainList::default()), "[]");
    }

    #[test]
    fn a_line_break_does_not_make_two_of_one() {
        let list: DomainList = ["a\nb", "c"].into_iter().collect();
        assert_eq!(list.iter().collect::<Vec<_>>(), ["ab", "c"]);
    }
}
