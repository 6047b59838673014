//! The protobuf wire format, read in place: nothing is copied and nothing is allocated.
//!
//! A message is a run of fields, each a tag (`number << 3 | type`) and a value (Protocol Buffers documentation,
//! "Encoding"). What is truncated, overlong or of a type that does not exist makes the whole body unreadable:
//! past such a place nothing can be told apart. Groups, which the language dropped in 2008, are not read.

/// What is wrong with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// A value ends after its message.
    #[error("the message is cut off")]
    Truncated,
    /// A number of more than 64 bits.
    #[error("a number has more than 64 bits")]
    Overlong,
    /// Field 0, a field number of more than 29 bits, a group, or a type that does not exist.
    #[error("a field has no valid tag")]
    Tag,
    /// A known field with a value of another type.
    #[error("a field has a value of the wrong type")]
    Type,
    /// More elements than one request may have.
    #[error("the request has more than {limit} elements; send smaller requests")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], WireError> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(WireError::Type) }
    }

    pub(super) fn varint(self) -> Result<u64, WireError> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(WireError::Type) }
    }

    pub(super) fn double(self) -> Result<f64, WireError> {
        if let Self::Fixed64(bits) = self { Ok(f64::from_bits(bits)) } else { Err(WireError::Type) }
    }

    /// `int64`
    pub(super) fn int64(self) -> Result<i64, WireError> {
        Ok(self.varint()? as i64)
    }

    /// `uint32`: larger numbers are cut, as protobuf does.
    pub(super) fn uint32(self) -> Result<u32, WireError> {
        Ok(self.varint()? as u32)
    }

    /// `sint32`
    pub(super) fn sint32(self) -> Result<i32, WireError> {
        let raw = self.varint()? as u32;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// How many bytes the elements of a packed repeated scalar take.
    pub(super) fn packed_bytes(&self) -> usize {
        if let Self::Bytes(packed) = self { packed.len() } else { 0 }
    }

    /// Hands on each element of a repeated scalar, whether it is packed (`Bytes`) or stands alone.
    pub(super) fn each_varint(self, mut take: impl FnMut(u64) -> Result<(), WireError>) -> Result<(), WireError> {
        match self {
            Self::Bytes(mut packed) => {
                while !packed.is_empty() {
                    take(varint(&mut packed)?)?;
                }
                Ok(())
            }
            other => take(other.varint()?),
        }
    }

    /// The same for `repeated double`.
    pub(super) fn each_double(self, mut take: impl FnMut(f64) -> Result<(), WireError>) -> Result<(), WireError> {
        match self {
            Self::Bytes(mut packed) => {
                while !packed.is_empty() {
                    take(f64::from_bits(fixed64(&mut packed)?))?;
                }
                Ok(())
            }
            other => take(other.double()?),
        }
    }
}

/// `sint64` from its varint.
pub(super) const fn zigzag(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// The fields of one message, in the order in which they lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// How many bytes have not been read.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next field, or `None` at the end of the message.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = varint(&mut self.rest)?;
        let number = tag >> 3;
        if number == 0 || tag > u64::from(u32::MAX) {
            return Err(WireError::Tag);
        }
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(fixed64(&mut self.rest)?),
            2 => Value::Bytes(self.delimited()?),
            5 => self.take(4).map(|_| Value::Fixed32)?,
            _ => return Err(WireError::Tag),
        };
        Ok(Some((number as u32, value)))
    }

    #[inline]
    fn delimited(&mut self) -> Result<&'a [u8], WireError> {
        let length = varint(&mut self.rest)?;
        self.take(usize::try_from(length).map_err(|_| WireError::Truncated)?)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[inline]
fn fixed64(rest: &mut &[u8]) -> Result<u64, WireError> {
    let (bytes, after) = rest.split_first_chunk::<8>().ok_or(WireError::Truncated)?;
    *rest = after;
    Ok(u64::from_le_bytes(*bytes))
}

/// Most numbers are lengths and tags of one byte.
#[inline]
pub(super) fn varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    match rest.split_first() {
        Some((byte, after)) if *byte < 0x80 => {
            *rest = after;
            Ok(u64::from(*byte))
        }
        _ => long_varint(rest),
    }
}

fn long_varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    let mut value = 0;
    for (i, byte) in rest.iter().take(10).enumerate() {
        if i == 9 && *byte > 1 {
            return Err(WireError::Overlong);
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if *byte < 0x80 {
            *rest = &rest[i + 1..];
            return Ok(value);
        }
    }
    Err(WireError::Truncated)
}

/// Appends a length-delimited field, as senders write it.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    put_varint(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a number.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes a number takes.
pub(super) const fn varint_len(value: usize) -> usize {
    let bits = usize::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: &[u8]) -> Result<Option<(u32, Value<'_>)>, WireError> {
        Fields::new(bytes).next()
    }

    #[test]
    fn reads_every_type() {
        // The two examples of the protobuf documentation: a varint 150, and "testing".
        assert_eq!(first(&[0x08, 0x96, 0x01]), Ok(Some((1, Value::Varint(150)))));
        assert_eq!(first(b"\x12\x07testing"), Ok(Some((2, Value::Bytes(b"testing")))));
        assert_eq!(first(&[0x09, 1, 0, 0, 0, 0, 0, 0, 0]), Ok(Some((1, Value::Fixed64(1)))));
        assert_eq!(first(&[0x0d, 0, 0, 0, 0]), Ok(Some((1, Value::Fixed32))));
        assert_eq!(first(&[]), Ok(None));
    }

    #[test]
    fn refuses_what_cannot_be_told_apart() {
        assert_eq!(first(&[0x08]), Err(WireError::Truncated));
        assert_eq!(first(&[0x12, 5, b'a']), Err(WireError::Truncated));
        assert_eq!(first(&[0x09, 1]), Err(WireError::Truncated));
        assert_eq!(first(&[0x00, 1]), Err(WireError::Tag));
        assert_eq!(first(&[0x0b]), Err(WireError::Tag));
        assert_eq!(first(&[0x0f]), Err(WireError::Tag));
        let most = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(first(&most), Ok(Some((1, Value::Varint(u64::MAX)))));
        assert_eq!(
            first(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
            Err(WireError::Overlong)
        );
    }

    #[test]
    fn lengths_are_as_they_are_written() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 1 << 28, usize::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value));
            assert_eq!(varint(&mut out.as_slice()), Ok(value as u64));
        }
    }
}
