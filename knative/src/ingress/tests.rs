use super::*;

fn read(json: &str) -> IngressSpec {
    serde_json::from_str(json).unwrap()
}

/// facts/ingress.md 2.10.
#[test]
fn hash_of_knatives_test_vector() {
    let json = r#"{"rules":[{"hosts":["a.example.com"],"visibility":"ExternalIP","http":{"paths":[{"splits":[{"serviceNamespace":"serving-tests","serviceName":"svc","servicePort":80,"percent":100}]}]}}],"httpOption":"Enabled"}"#;
    let ingress = Ingress {
        key: Key::new("serving-tests", "ing"),
        owner: Kind::Route,
        annotations: Pairs::default(),
        spec: read(json),
    };
    assert_eq!(String::from_utf8(ingress.spec.to_go_json()).unwrap(), json);
    assert_eq!(ingress.hash(), "385d7a6e2ea1e3709ef779b4f69daf4380391e758b26fee9fc32291f55bf633f");
}

#[test]
fn go_escapes_html_and_line_separators_and_sorts_maps() {
    let spec = read(
        r#"{"rules":[{"http":{"paths":[{"path":"/<&>","rewriteHost":"h","headers":{"B":{"exact":"2"},"A":{"exact":""}},"splits":[{"serviceNamespace":"n","serviceName":"s","servicePort":"http","appendHeaders":{"z":"\u2028\"\\","a":"é\u0001\n"}}]}]}}]}"#,
    );
    assert_eq!(
        String::from_utf8(spec.to_go_json()).unwrap(),
        r#"{"rules":[{"visibility":"ExternalIP","http":{"paths":[{"path":"/\u003c\u0026\u003e","rewriteHost":"h","headers":{"A":{"exact":""},"B":{"exact":"2"}},"splits":[{"serviceNamespace":"n","serviceName":"s","servicePort":"http","appendHeaders":{"a":"é\u0001\n","z":"\u2028\"\\"}}]}]}}]}"#
    );
}

#[test]
fn empty_parts_are_left_out() {
    assert_eq!(IngressSpec::default().to_go_json(), b"{}");
}
