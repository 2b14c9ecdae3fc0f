// SPDX-License-Identifier: GPL-2.0

//! Reading numbers and words off a line, by the rules of the kernel's `sscanf` and `kstrtoint`.
//!
//! Never wraps a number silently: one that does not fit is refused, where C drops its high bits.

/// The rest of a text that is being read.
pub(super) struct Scan<'a> {
    rest: &'a [u8],
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

impl<'a> Scan<'a> {
    /// Starts at the front of a text, which ends at its first NUL as for C.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            rest: text.split(|byte| *byte == 0).next().unwrap_or_default(),
        }
    }

    /// Skips white space.
    pub(super) fn skip_space(&mut self) {
        while let Some((first, rest)) = self.rest.split_first() {
            if !is_space(*first) {
                break;
            }
            self.rest = rest;
        }
    }

    /// Takes the next byte if it is `wanted`.
    pub(super) fn take(&mut self, wanted: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == wanted => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes a sign, and returns whether it was a minus.
    pub(super) fn sign(&mut self) -> bool {
        let minus = self.take(b'-');
        if !minus {
            self.take(b'+');
        }
        minus
    }

    /// Takes the prefix that tells the base of a number, as C's base 0 does.
    pub(super) fn base(&mut self) -> u32 {
        match self.rest {
            [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => {
                self.rest = self.rest.get(2..).unwrap_or_default();
                16
            }
            [b'0', ..] => 8,
            _ => 10,
        }
    }

    /// Takes a number without sign; `None` if there is no digit or it does not fit.
    pub(super) fn number(&mut self, base: u32) -> Option<u64> {
        let mut value: Option<u64> = None;
        while let Some((first, rest)) = self.rest.split_first() {
            let Some(digit) = char::from(*first).to_digit(base) else {
                break;
            };
            value = Some(
                value
                    .unwrap_or(0)
                    .checked_mul(u64::from(base))?
                    .checked_add(u64::from(digit))?,
            );
            self.rest = rest;
        }
        value
    }

    /// Skips white space and takes a decimal number, as `%u` does.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        self.skip_space();
        u32::try_from(self.number(10)?).ok()
    }

    /// Skips white space and takes a decimal number that may be negative, as `%d` does.
    pub(super) fn signed(&mut self) -> Option<i32> {
        self.skip_space();
        let minus = self.take(b'-');
        self.magnitude(minus, 10)
    }

    /// Takes digits and gives them a sign.
    pub(super) fn magnitude(&mut self, minus: bool, base: u32) -> Option<i32> {
        let magnitude = i64::try_from(self.number(base)?).ok()?;
        let value = if minus {
            magnitude.checked_neg()?
        } else {
            magnitude
        };
        i32::try_from(value).ok()
    }

    /// Skips white space and takes up to `limit` bytes up to the next one, as `%<limit>s` does.
    pub(super) fn word(&mut self, limit: usize) -> Option<&'a [u8]> {
        self.skip_space();
        let end = self
            .rest
            .iter()
            .take(limit)
            .position(|byte| is_space(*byte))
            .unwrap_or_else(|| limit.min(self.rest.len()));
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Returns whether nothing is left, or one newline: the end that `kstrtoint` wants.
    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.rest, [] | [b'\n'])
    }
}
