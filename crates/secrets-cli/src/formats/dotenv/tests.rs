//! Tests of the `.env` reader and writer.

use proptest::prelude::*;

use super::*;

fn values(file: &str, expand: bool) -> Vec<(String, String)> {
    let read = read(file.as_bytes(), expand).unwrap();
    read.pairs.iter().map(|pair| (pair.name.clone(), pair.value.expose_str().unwrap().to_owned())).collect()
}

fn value(line: &str) -> String {
    values(line, false).remove(0).1
}

#[test]
fn bare_values_end_at_the_line_or_at_a_comment() {
    for (line, expected) in [
        ("A=1", "1"),
        ("A= 3", "3"),
        ("A =4", "4"),
        ("A = 5 ", "5"),
        ("A = ", ""),
        ("A=", ""),
        ("A=1 2", "1 2"),
        ("A=bar # baz", "bar"),
        ("A=bar#baz", "bar#baz"),
        ("A=#bar", "#bar"),
        ("A= # nothing", ""),
        ("export A=2", "2"),
        ("\texport\tA=2\r\nB=3", "2"),
        ("A: 1", "1"),
        ("A=equals==", "equals=="),
        (r#"A={"foo": "bar"}"#, r#"{"foo": "bar"}"#),
        (r"A=a\nb", r"a\nb"),
        ("exporter=x", "x"),
        ("A=it's", "it's"),
    ] {
        assert_eq!(value(line), expected, "{line}");
    }
}

#[test]
fn quotes_follow_their_own_rules() {
    for (line, expected) in [
        (r"A='\n'", r"\n"),
        (r#"A="\n""#, "\n"),
        ("A=''", ""),
        (r#"A="echo 'asd'""#, "echo 'asd'"),
        ("A='line 1\nline 2'", "line 1\nline 2"),
        (r"A='this is \'quoted\''", r"this is \'quoted\'"),
        (r#"A="this is \"quoted\"""#, r#"this is "quoted""#),
        ("A=\"foo\"#bar", "foo"),
        (r"A='foo' # bar", "foo"),
        (r#"A="a\\n\$b\d\'""#, r"a\n$b\d'"),
        ("A=`it's \"x\"`", "it's \"x\""),
        ("A=\"x\r\ny\"", "x\ny"),
    ] {
        assert_eq!(value(line), expected, "{line}");
    }
}

#[test]
fn faults_name_the_line_and_never_the_value() {
    for (file, line, words) in [
        ("A=hunter2\n\nA=hunter2\n", 3, "`A` is set on line 1 already"),
        ("A='x\ny'\nB=\"hunter2\n\n", 3, "unterminated"),
        ("A='hunter2\\'\n", 1, "unterminated"),
        ("A=1\nB=hun\0ter2\n", 2, "NUL"),
        ("A=1\nhunter2\n", 2, "no `NAME=value`"),
        ("export A\n", 1, "no `NAME=value`"),
        ("A='x' hunter2", 1, "after the closing quote"),
        ("=hunter2", 1, "a name starts"),
        ("lol$wut", 1, "no `NAME=value`"),
    ] {
        let fault = read(file.as_bytes(), false).unwrap_err();
        assert_eq!(fault.line, Some(line), "{file:?}: {fault}");
        assert!(fault.to_string().contains(words), "{fault}");
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
    assert_eq!(read(b"A=1\nB=\xff\n", false).unwrap_err().line, Some(2));
}

#[test]
fn references_are_kept_and_told_of_unless_expansion_is_asked_for() {
    let file = "A=1\nB=${A}\nC=$B\nD=\"x$A\"\nE='$A'\nF=\\$A\nG=$2a$10$x\nH=${NONE}\nI=${NONE:-d}\nJ=pa$$";
    let kept = read(file.as_bytes(), false).unwrap();
    assert_eq!(kept.references, ["B", "C", "D", "G", "H", "I"]);
    assert_eq!(values(file, false)[1].1, "${A}");
    let expanded = read(file.as_bytes(), true).unwrap();
    assert_eq!(expanded.undefined, ["G", "H"]);
    let texts: Vec<_> = values(file, true).into_iter().map(|(_, value)| value).collect();
    assert_eq!(texts, ["1", "1", "1", "x1", "$A", "$A", "$2a$10", "", "d", "pa$$"]);
}

#[test]
fn marks_of_utf8_and_utf16_are_read() {
    let utf16 = |order: fn(u16) -> [u8; 2]| {
        "\u{feff}A=UTF-16 é\r\n".encode_utf16().flat_map(order).collect::<Vec<u8>>()
    };
    for file in [utf16(u16::to_le_bytes), utf16(u16::to_be_bytes), "\u{feff}A=UTF-16 é".as_bytes().to_vec()]
    {
        assert_eq!(read(&file, false).unwrap().pairs, [Pair::new("A", "UTF-16 é")]);
    }
}

#[test]
fn a_pem_key_is_written_on_one_line() {
    let pem = "-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n";
    let file = write(&[Pair::new("KEY", pem)]).unwrap();
    assert_eq!(&file[..], b"KEY=\"-----BEGIN KEY-----\\nAAAA\\n-----END KEY-----\\n\"\n");
}

#[test]
fn binary_and_nul_are_refused_by_name() {
    assert_eq!(write(&[Pair::new("A", &b"\xff"[..])]).unwrap_err().class, Class::NotUtf8);
    assert_eq!(write(&[Pair::new("A", "x\0")]).unwrap_err().class, Class::Nul);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        values in prop::collection::vec("[^\\x00]*|[\\n\\r\\t'\"`\\\\$ #=a{}]*", 0..6),
        expand: bool,
    ) {
        let pairs: Vec<Pair> =
            values.iter().enumerate().map(|(index, value)| Pair::new(format!("A{index}"), value.as_str())).collect();
        prop_assert_eq!(read(&write(&pairs).unwrap(), expand).unwrap().pairs, pairs);
    }

    #[test]
    fn no_file_makes_it_panic(file in prop::collection::vec(any::<u8>(), 0..200), expand: bool) {
        let _ = read(&file, expand);
    }

    #[test]
    fn no_text_makes_it_panic(file in "[A-C=:'\"`\\\\$ #{}\\n\\r-]*", expand: bool) {
        let _ = read(file.as_bytes(), expand);
    }
}
