//! A path as one number, for names that would be too long otherwise: dense, and nothing for people.
//!
//! A path is a number in base 66, whose digits are 1 to 66, so that every path of any length is another
//! number. That number is written in base 36 with the digits `0-9a-z`.

/// The characters of paths, each standing for its place, from 1.
const PATH: &[u8; 66] = b"-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The digits of a path; none where it has a character that no path has.
pub(crate) fn pack(path: &str) -> Option<String> {
    // The least digit is first.
    let mut number: Vec<u32> = Vec::with_capacity(path.len() * 6 / 5);
    for byte in path.bytes() {
        let place = PATH.iter().position(|known| *known == byte)?;
        add(&mut number, 36, 66, u32::try_from(place).ok()? + 1);
    }
    number.iter().rev().map(|digit| DIGITS.get(*digit as usize).map(|byte| char::from(*byte))).collect()
}

/// The path of digits; none where they are none. Leading zeros are not refused here.
pub(crate) fn unpack(digits: &str) -> Option<String> {
    let mut number: Vec<u32> = Vec::with_capacity(digits.len());
    for byte in digits.bytes() {
        let digit = DIGITS.iter().position(|known| *known == byte)?;
        add(&mut number, 66, 36, u32::try_from(digit).ok()?);
    }
    let mut path = Vec::with_capacity(number.len());
    // A digit of 0 is one of 66 and one less in the next place.
    let mut borrow = 0;
    for (at, digit) in number.iter().enumerate() {
        let (digit, taken) = if *digit > borrow { (digit - borrow, 0) } else { (digit + 66 - borrow, 1) };
        if at + 1 == number.len() && taken == 1 {
            // Nothing is left to take it from: the number has one digit less.
            return if digit == 66 { text(path) } else { None };
        }
        borrow = taken;
        path.push(*PATH.get(digit as usize - 1)?);
    }
    text(path)
}

fn text(mut path: Vec<u8>) -> Option<String> {
    path.reverse();
    String::from_utf8(path).ok()
}

/// `number * factor + more`, in place.
fn add(number: &mut Vec<u32>, base: u32, factor: u32, more: u32) {
    let mut carry = more;
    for digit in number.iter_mut() {
        let sum = *digit * factor + carry;
        (*digit, carry) = (sum % base, sum / base);
    }
    while carry > 0 {
        number.push(carry % base);
        carry /= base;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_path_reads_back(path in "[A-Za-z0-9._/-]{1,130}") {
            let packed = pack(&path).unwrap();
            prop_assert!(packed.bytes().all(|byte| DIGITS.contains(&byte)));
            prop_assert_eq!(unpack(&packed), Some(path));
        }

        #[test]
        fn digits_that_read_as_a_path_are_those_of_that_path(digits in "[1-9a-z][0-9a-z]{0,40}") {
            if let Some(path) = unpack(&digits) {
                prop_assert_eq!(pack(&path), Some(digits));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = (pack(&text), unpack(&text));
        }
    }

    #[test]
    fn the_length_is_part_of_the_number() {
        for path in ["-", "--", "---", "z", "zz", "-z", "z-"] {
            assert_eq!(unpack(&pack(path).unwrap()).as_deref(), Some(path));
        }
        assert_eq!(unpack(""), Some(String::new()));
    }
}
