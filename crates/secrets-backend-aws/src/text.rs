//! Any text as one that a tag may have.
//!
//! A tag takes letters and digits of any script, the space and `_ . : / = + - @`. A text of these is kept as it is. Any
//! other starts with `=:`, and each byte of what may not stand there is a letter of the Yi script, U+A000 and the byte:
//! so a text never gets longer, in characters, than it has bytes, but for the two of the start.

const MARK: &str = "=:";
const FIRST: u32 = 0xa000;

/// The text as a tag may have it.
pub(crate) fn encode(text: &str) -> String {
    let trimmed = text.trim_matches(' ').len() == text.len();
    if trimmed && !text.starts_with(MARK) && text.chars().all(stays) {
        return text.to_owned();
    }
    let mut encoded = MARK.to_owned();
    for (at, c) in text.char_indices() {
        let outer_space = c == ' ' && (at == 0 || at + 1 == text.len());
        if stays(c) && !outer_space {
            encoded.push(c);
        } else {
            let mut buffer = [0; 4];
            encoded.extend(c.encode_utf8(&mut buffer).bytes().filter_map(letter));
        }
    }
    encoded
}

/// The text that was encoded; what another program wrote is itself.
pub(crate) fn decode(kept: &str) -> String {
    let Some(encoded) = kept.strip_prefix(MARK) else { return kept.to_owned() };
    let mut bytes = Vec::with_capacity(encoded.len());
    for c in encoded.chars() {
        match byte(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| kept.to_owned())
}

fn letter(byte: u8) -> Option<char> {
    char::from_u32(FIRST + u32::from(byte))
}

fn byte(c: char) -> Option<u8> {
    u32::from(c).checked_sub(FIRST).and_then(|offset| u8::try_from(offset).ok())
}

/// Letters whose category is beyond doubt: a wrong "no" costs readability, a wrong "yes" the write.
const fn stays(c: char) -> bool {
    matches!(c,
        ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@' | 'a'..='z' | 'A'..='Z' | '0'..='9'
        | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='\u{24f}' // Latin
        | 'Α'..='Ρ' | 'Σ'..='ώ' | 'Ѐ'..='ҁ' // Greek, Cyrillic
        | 'ぁ'..='ゖ' | 'ァ'..='ヺ' | '\u{4e00}'..='\u{9fff}' | '가'..='힣') // Kana, Han, Hangul
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_reads_back_and_is_taken(text in any::<String>()) {
            let kept = encode(&text);
            prop_assert!(kept.chars().all(|c| stays(c) || byte(c).is_some()), "{}", kept);
            prop_assert!(kept.chars().count() <= text.len() + 2);
            prop_assert!(!kept.starts_with(' ') && !kept.ends_with(' '));
            prop_assert_eq!(decode(&kept), text);
        }

        #[test]
        fn no_text_of_another_program_makes_it_panic(text in "(=:)?[ꀀ-ꃿa-c]{0,10}") {
            let _ = decode(&text);
        }
    }

    #[test]
    fn texts_that_a_tag_takes_stay_as_they_are() {
        for text in ["", "ops@example.org", "a=b", "Łódź 東京", "x+y - z/w:1"] {
            assert_eq!(encode(text), text);
        }
        assert_eq!(encode("=:x"), "=:=:x");
        assert_eq!(encode("a!"), "=:aꀡ");
        assert_eq!(encode(" "), "=:ꀠ");
    }
}
