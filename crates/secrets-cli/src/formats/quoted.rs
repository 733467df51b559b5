//! Double-quoted strings, as YAML, TOML and HCL have them.

/// Appends `text` between double quotes: `"` and `\` escaped, line ends and tabs by letter, whatever
/// `is_plain` denies by number, the rest as it is.
///
/// The numbers are `\uXXXX` and `\UXXXXXXXX`, which all three languages read alike.
pub(super) fn push(out: &mut String, text: &str, is_plain: fn(char) -> bool) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            plain if is_plain(plain) => out.push(plain),
            other if u32::from(other) <= 0xffff => out.push_str(&format!("\\u{:04X}", u32::from(other))),
            other => out.push_str(&format!("\\U{:08X}", u32::from(other))),
        }
    }
    out.push('"');
}

/// Whether every reader takes the character as it is: printable, and neither a byte order mark nor a line
/// end of Unicode's.
pub(super) fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
