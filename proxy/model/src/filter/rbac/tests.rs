use forebay_route::{HeaderRule, PlainRequest, TextRule};

use super::*;

struct Seen {
    secure: bool,
    names: Vec<&'static str>,
}

impl RbacView for Seen {
    fn ip(&self, of: RbacIp) -> Option<IpAddr> {
        let last = match of {
            RbacIp::Destination => 1,
            RbacIp::Connection => 2,
            RbacIp::Direct => 3,
            RbacIp::Remote => 4,
        };
        Some(IpAddr::from([10, 0, 0, last]))
    }

    fn destination(&self) -> Option<SocketAddr> {
        Some(SocketAddr::from(([10, 0, 0, 1], 8080)))
    }

    fn server_name(&self) -> &str {
        if self.secure { "sni.test" } else { "" }
    }

    fn is_secure(&self) -> bool {
        self.secure
    }

    fn has_name(&self, accepts: &dyn Fn(&str) -> bool) -> bool {
        self.names.iter().any(|name| accepts(name))
    }
}

fn exact(text: &str) -> TextMatch {
    TextRule::Exact(text.into()).into()
}

fn holds(term: RbacTerm) -> bool {
    let request = PlainRequest::get("a", "/x?y").with("who", "me");
    term.holds(&request, &Seen { secure: true, names: vec!["spiffe://a"] })
}

#[test]
fn every_term_says_what_it_is_called() {
    let never = || RbacTerm::Not(Box::new(RbacTerm::Always));
    assert!(holds(RbacTerm::Always) && !holds(never()));
    assert!(holds(RbacTerm::All(vec![])) && !holds(RbacTerm::Any(vec![])));
    assert!(holds(RbacTerm::Any(vec![never(), RbacTerm::Always])));
    assert!(!holds(RbacTerm::All(vec![never(), RbacTerm::Always])));
    assert!(holds(RbacTerm::Header(HeaderMatch::new("who", HeaderRule::Text(exact("me"))))));
    assert!(holds(RbacTerm::Path(exact("/x"))) && !holds(RbacTerm::Path(exact("/x?y"))));
    assert!(holds(RbacTerm::ServerName(exact("sni.test"))));
    assert!(holds(RbacTerm::Port(8080..8081)) && !holds(RbacTerm::Port(8000..8080)));
    let of = [RbacIp::Destination, RbacIp::Connection, RbacIp::Direct, RbacIp::Remote];
    for (of, last) in of.into_iter().zip(1..) {
        let only = |last: u8| InternalRanges(vec![([10, 0, 0, last].into(), 32)]);
        assert!(holds(RbacTerm::Ip(of, only(last))) && !holds(RbacTerm::Ip(of, only(last + 1))), "{of:?}");
    }
    assert!(
        holds(RbacTerm::Authenticated(None)) && holds(RbacTerm::Authenticated(Some(exact("spiffe://a"))))
    );
    assert!(!holds(RbacTerm::Authenticated(Some(exact("spiffe://b")))));
}

#[test]
fn a_certificate_without_tls_is_none() {
    let request = PlainRequest::get("a", "/");
    for name in [None, Some(exact("spiffe://a"))] {
        let seen = Seen { secure: false, names: vec!["spiffe://a"] };
        assert!(!RbacTerm::Authenticated(name).holds(&request, &seen));
    }
}

#[test]
fn the_first_policy_that_matches_is_named() {
    let policy = |name: &str, term: RbacTerm| RbacPolicy {
        name: name.into(),
        permissions: vec![term],
        principals: vec![RbacTerm::Always],
    };
    let verdict = |action, policies| {
        let rules = RbacRules { action, policies };
        let seen = Seen { secure: false, names: vec![] };
        let (may, by) = rules.verdict(&PlainRequest::get("a", "/x"), &seen);
        (may, by.map(|name| name.to_string()))
    };
    let (x, y) = (|| policy("x", RbacTerm::Path(exact("/x"))), || policy("y", RbacTerm::Path(exact("/y"))));
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(verdict(RbacAction::Allow, vec![y(), x()]), (true, named("x")));
    assert_eq!(verdict(RbacAction::Allow, vec![y()]), (false, None));
    assert_eq!(verdict(RbacAction::Allow, vec![]), (false, None), "nobody is let in by nothing");
    assert_eq!(verdict(RbacAction::Deny, vec![y(), x()]), (false, named("x")));
    assert_eq!(verdict(RbacAction::Deny, vec![y()]), (true, None));
    assert_eq!(verdict(RbacAction::Log, vec![y()]), (true, None));
}
