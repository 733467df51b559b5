//! Lower-case hexadecimal, the text form of identifiers and hashes inside an entry.

/// Appends `bytes` to `out` as lower-case hexadecimal.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// `bytes` as lower-case hexadecimal.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| DIGITS[usize::from(nibble)] as char)
        .collect()
}

/// Exactly `N` bytes from lower-case hexadecimal; upper case is refused, so that each value has one text.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_the_same_bytes() {
        let bytes: [u8; 256] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let mut pushed = Vec::new();
        push(&mut pushed, &bytes);
        assert_eq!(pushed, encode(&bytes).into_bytes());
        assert_eq!(decode::<256>(&pushed), Some(bytes));
    }

    #[test]
    fn upper_case_wrong_lengths_and_other_letters_are_refused() {
        for text in ["0A", "0", "000", "", "0g", "0 "] {
            assert_eq!(decode::<1>(text.as_bytes()), None, "{text}");
        }
    }
}
