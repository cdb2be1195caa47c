#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use super::*;

struct Sample;

impl Data for Sample {
    fn root(&self) -> Value {
        Value::Object(0)
    }

    fn field(&self, object: u32, name: &str, arguments: &[Value]) -> Option<Value> {
        match (object, name, arguments) {
            (0, "A", []) => Some(Value::text("a<b")),
            (0, "N", []) => Some(Value::Int(7)),
            (0, "F", []) => Some(Value::Float(0.000_052)),
            (0, "Nil", []) => Some(Value::Nil),
            (0, "Inner", []) => Some(Value::Object(1)),
            (0, "List", []) => Some(Value::List(["x", "y"].map(Value::from).into())),
            (0, "Map", []) => {
                Some(Value::Map([("k".into(), Value::from("v")), ("l".into(), Value::Int(2))].into()))
            }
            (1, "B", []) => Some(Value::text("")),
            (1, "Get", [Value::Text(key)]) => Some(Value::text(format!("<{key}>"))),
            _ => None,
        }
    }

    fn print(&self, object: u32) -> String {
        format!("{{{object}}}")
    }
}

fn run(text: &str) -> Result<String, String> {
    Template::parse(text).map_err(|e| e.to_string())?.execute(&Sample)
}

/// What Go 1.26 makes of the same template and data.
#[test]
fn templates_do_what_gos_do() {
    for (text, expected) in [
        ("plain", "plain"),
        ("{{.A}} {{ .N }} {{.F}}", "a<b 7 5.2e-05"),
        ("a {{- .N -}} b", "a7b"),
        ("a {{- /* nothing */ -}} b{{/* c */}}", "ab"),
        ("{{.Inner.Get \"k\"}} {{.Inner.Get .A}} {{\"k\" | .Inner.Get}}", "<k> <a<b> <k>"),
        ("{{.Nil}} {{print .Nil}} {{.Inner}}", "<no value> <nil> {1}"),
        ("{{js .A}} {{html .A}} {{urlquery \"a b&c\"}}", "a\\u003Cb a&lt;b a+b%26c"),
        ("{{if .Inner.B}}yes{{else if .N}}n{{else}}no{{end}}", "n"),
        ("{{if not .N}}x{{else}}y{{end}}", "y"),
        ("{{with .Inner}}{{.Get \"z\"}}{{else}}none{{end}}{{with .Nil}}x{{else}}none{{end}}", "<z>none"),
        ("{{range .List}}[{{.}}]{{end}}{{range $i, $v := .List}}{{$i}}={{$v}};{{end}}", "[x][y]0=x;1=y;"),
        ("{{range $k, $v := .Map}}{{$k}}:{{$v}} {{end}}{{range 3}}{{.}}{{end}}", "k:v l:2 012"),
        ("{{range .List}}{{if eq . \"y\"}}{{break}}{{end}}{{.}}{{end}}", "x"),
        ("{{range .List}}{{if eq . \"x\"}}{{continue}}{{end}}{{.}}{{end}}", "y"),
        ("{{$x := .N}}{{if true}}{{$x = 8}}{{$y := 1}}{{$y}}{{end}}{{$x}}", "18"),
        ("{{range .Nil}}{{else}}empty{{end}}", "empty"),
        ("{{len .A}} {{index .List 1}} {{index .Map \"k\"}} {{.Map.l}} {{slice .A 1 3}}", "3 y v 2 <b"),
        (
            "{{eq .N 1 7}} {{ne .N 7}} {{lt 1 2}} {{ge \"b\" \"a\"}} {{and .N .A}} {{or .Nil .N}}",
            "true false true true a<b 7",
        ),
        ("{{and false (index .List 9)}}", "false"),
        (
            "{{printf \"%05.1f|%-4d|%q|%s|%v|%x|%6s|%%|%t\" 2.25 .N .A .A .List 255 \"r\" true}}",
            "002.2|7   |\"a<b\"|a<b|[x y]|ff|     r|%|true",
        ),
        ("{{printf \"%d %s\" \"x\"}}", "%!d(string=x) %!s(MISSING)"),
        ("{{print 1 2 \"a\" \"b\" 3}} {{println 1 \"a\"}}", "1 2ab3 1 a\n"),
        ("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .N}}{{block \"u\" .A}}({{.}}){{end}}", "<7>(a<b)"),
        ("{{(index .List 0)}} {{(.Inner).B}}{{.Map}}{{.List}}", "x map[k:v l:2][x y]"),
        ("{{0x10}} {{1_000}} {{1e3}} {{'a'}} {{`raw\\n`}} {{\"\\u00fc\\t\"}}", "16 1000 1000 97 raw\\n ü\t"),
        ("{{1e21}} {{123456789.0}} {{-0.5}} {{100000.0}} {{.A | }}", "1e+21 1.23456789e+08 -0.5 100000 a<b"),
        ("{{printf \"%.3g %.9g %g %e\" 1234.5 1234.5 0.00001 1234.5}}", "1.23e+03 1234.5 1e-05 1.234500e+03"),
        ("{{.N | printf \"%d-%d\" 1}}", "1-7"),
        ("{{$}}{{with .N}}{{$.A}}{{end}}", "{0}a<b"),
    ] {
        assert_eq!(run(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_template_is_found_at_the_start() {
    for text in [
        "{{",
        "{{.A",
        "{{end}}",
        "{{else}}",
        "{{if .A}}",
        "{{nothing}}",
        "{{$x}}",
        "{{\"open}}",
        "{{()}}",
        "{{(.A}}",
        "{{if}}x{{end}}",
        "{{break}}",
        "{{range .List}}{{else}}{{else}}{{end}}",
        "{{/* open",
        "{{define}}x{{end}}",
        "{{if .A}}{{else nothing}}{{end}}",
    ] {
        assert!(Template::parse(text).is_err(), "{text}");
    }
}

#[test]
fn what_the_data_does_not_have_fails_the_line() {
    for text in [
        "{{.Nothing}}",
        "{{.A.B}}",
        "{{.Nil.B}}",
        "{{index .List 5}}",
        "{{len .N}}",
        "{{lt 1 \"a\"}}",
        "{{.N 1}}",
        "{{template \"t\"}}",
        "{{range .A}}{{end}}",
        "{{printf 1}}",
        "{{.Inner.Get}}",
        "{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}",
    ] {
        assert!(run(text).is_err(), "{text}: {:?}", run(text));
    }
}
