//! Readers that stop at a limit: nothing from outside grows memory without bound.

use std::io::Read;

use bytes::Bytes;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// Snappy's block format, whose head says how long it becomes.
    Snappy,
}

/// Why a body could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// More bytes than allowed came out.
    #[error("body is larger than {limit} bytes after decompression")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes are not what the header says.
    #[error("body is not valid {encoding:?}")]
    Corrupt {
        /// The encoding that was announced.
        encoding: Encoding,
        /// What the decoder said.
        source: std::io::Error,
    },
}

/// Unpacks `body`, never producing more than `limit` bytes.
pub fn unpack(body: Bytes, encoding: Encoding, limit: usize) -> Result<Bytes, UnpackError> {
    match encoding {
        Encoding::Identity if body.len() > limit => Err(UnpackError::TooLarge { limit }),
        Encoding::Identity => Ok(body),
        Encoding::Gzip => read_capped(flate2::read::MultiGzDecoder::new(&*body), encoding, limit),
        Encoding::Zstd => {
            let decoder = zstd_decoder(&body).map_err(|source| UnpackError::Corrupt { encoding, source })?;
            read_capped(decoder, encoding, limit)
        }
        Encoding::Snappy => unpack_snappy(&body, limit),
    }
}

/// Nothing is unpacked before the announced length is known to be within the limit.
fn unpack_snappy(body: &[u8], limit: usize) -> Result<Bytes, UnpackError> {
    let corrupt = |source: snap::Error| UnpackError::Corrupt { encoding: Encoding::Snappy, source: source.into() };
    if snap::raw::decompress_len(body).map_err(corrupt)? > limit {
        return Err(UnpackError::TooLarge { limit });
    }
    Ok(snap::raw::Decoder::new().decompress_vec(body).map_err(corrupt)?.into())
}

/// A decoder that refuses frames whose window would need more than 8 MiB.
fn zstd_decoder(body: &[u8]) -> std::io::Result<impl Read + '_> {
    let mut decoder = zstd::stream::read::Decoder::new(body)?;
    decoder.window_log_max(23)?;
    Ok(decoder)
}

fn read_capped(reader: impl Read, encoding: Encoding, limit: usize) -> Result<Bytes, UnpackError> {
    let mut out = Vec::new();
    let mut capped = reader.take(limit as u64 + 1);
    capped.read_to_end(&mut out).map_err(|source| UnpackError::Corrupt { encoding, source })?;
    if out.len() > limit {
        return Err(UnpackError::TooLarge { limit });
    }
    Ok(out.into())
}

/// The first `limit` bytes of `text`, cut on a character boundary.
pub fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn unpacks_up_to_the_limit() {
        for (encoding, packed) in [
            (Encoding::Gzip, gzip(&[7; 1000])),
            (Encoding::Zstd, zstd::encode_all(&[7u8; 1000][..], 3).unwrap().into()),
            (Encoding::Identity, Bytes::from(vec![7; 1000])),
            (Encoding::Snappy, snap::raw::Encoder::new().compress_vec(&[7; 1000]).unwrap().into()),
        ] {
            assert_eq!(unpack(packed.clone(), encoding, 1000).unwrap(), vec![7; 1000]);
            assert!(matches!(unpack(packed, encoding, 999), Err(UnpackError::TooLarge { limit: 999 })));
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 100 << 20]);
        assert!(bomb.len() < 200_000);
        assert!(matches!(unpack(bomb, Encoding::Gzip, 1 << 20), Err(UnpackError::TooLarge { .. })));
    }

    #[test]
    fn rubbish_is_corrupt() {
        for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::Snappy] {
            let result = unpack(Bytes::from_static(b"not packed"), encoding, 1000);
            assert!(matches!(result, Err(UnpackError::Corrupt { .. })));
        }
    }

    #[test]
    fn cuts_on_character_boundaries() {
        assert_eq!(cut("añb", 2), "a");
        assert_eq!(cut("añb", 3), "añ");
        assert_eq!(cut("ab", 9), "ab");
    }
}
