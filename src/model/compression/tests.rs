//! Round trips, bombs, damage, and batches that real clients packed.

use proptest::prelude::*;

use super::*;

const MIB: usize = 1024 * 1024;

const PACKED: [Compression; 4] =
    [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn unpack(codec: Compression, input: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
    codec.decompress(input, limit).map(Cow::into_owned)
}

fn words(size: usize) -> Vec<u8> {
    let numbers = 0_u32..;
    numbers.flat_map(|n| format!("record {} of a batch; ", n * n).into_bytes()).take(size).collect()
}

#[test]
fn every_codec_gives_back_what_it_packed() {
    for codec in Compression::ALL {
        for size in [0, 1, 100, 32 * 1024, 65 * 1024, 300_000] {
            let input = words(size);
            let packed = codec.compress(None, &input).unwrap();
            assert_eq!(unpack(codec, &packed, size).unwrap(), input, "{} {size}", codec.name());
        }
    }
}

#[test]
fn a_bomb_is_refused_with_the_limit_and_takes_no_more_memory_than_that() {
    let zeros = vec![0; 10 * MIB];
    for codec in PACKED {
        let packed = codec.compress(None, &zeros).unwrap();
        let refusal = unpack(codec, &packed, MIB).unwrap_err();
        let text = format!("{} records unpack to more than the limit of 1048576 bytes", codec.name());
        assert_eq!(refusal.to_string(), text);
    }
    let refusal = unpack(Compression::None, &zeros, MIB).unwrap_err();
    assert!(matches!(refusal, CompressionError::AboveLimit { limit: MIB, .. }));
}

#[test]
fn output_of_exactly_the_limit_passes_and_reserves_no_more() {
    for codec in PACKED {
        let input = words(MIB + 7);
        let packed = codec.compress(None, &input).unwrap();
        let unpacked = unpack(codec, &packed, input.len()).unwrap();
        assert_eq!(unpacked, input);
        assert!(unpacked.capacity() <= input.len(), "{}", codec.name());
        assert!(unpack(codec, &packed, input.len() - 1).is_err());
    }
}

#[test]
fn a_reader_gives_the_bytes_up_to_the_limit_and_then_the_refusal() {
    for codec in PACKED {
        let packed = codec.compress(None, &words(100_000)).unwrap();
        let mut reader = codec.reader(&packed, 40_000).unwrap();
        let mut read = Vec::new();
        let error = reader.read_to_end(&mut read).unwrap_err();
        // snappy refuses a block that announces too much before it unpacks it.
        assert!(read.len() <= 40_000 && words(40_000).starts_with(&read));
        let inner = error.downcast::<CompressionError>().unwrap();
        assert!(matches!(inner, CompressionError::AboveLimit { limit: 40_000, .. }));
    }
}

#[test]
fn a_stream_cut_anywhere_is_damaged_and_never_short() {
    for codec in PACKED {
        let input = words(1500);
        let packed = codec.compress(None, &input).unwrap();
        // The framing's own header is a whole, empty snappy stream.
        let whole = |cut: usize| codec == Compression::Snappy && cut == 16;
        for cut in (0..packed.len()).filter(|cut| !whole(*cut)) {
            let refusal = unpack(codec, &packed[..cut], MIB);
            assert!(matches!(refusal, Err(CompressionError::Damaged { .. })), "{} {cut}", codec.name());
        }
    }
}

#[test]
fn garbage_after_a_stream_is_damage() {
    for codec in PACKED {
        let mut packed = codec.compress(None, &words(1500)).unwrap();
        packed.extend_from_slice(b"garbage");
        assert!(unpack(codec, &packed, MIB).is_err(), "{}", codec.name());
    }
}

#[test]
fn streams_in_a_row_are_one() {
    for codec in PACKED {
        let packed = codec.compress(None, b"one, ").unwrap();
        let both = [packed, codec.compress(None, b"two").unwrap()].concat();
        assert_eq!(unpack(codec, &both, MIB).unwrap(), b"one, two", "{}", codec.name());
    }
}

#[test]
fn snappy_is_read_as_a_bare_block_too() {
    let block = snap::raw::Encoder::new().compress_vec(&words(5000)).unwrap();
    assert_eq!(unpack(Compression::Snappy, &block, MIB).unwrap(), words(5000));
}

#[test]
fn a_snappy_block_that_announces_more_than_it_can_hold_is_damage() {
    let four_gigabytes = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'a'];
    let refusal = unpack(Compression::Snappy, &four_gigabytes, usize::MAX);
    assert!(matches!(refusal, Err(CompressionError::Damaged { .. })));
}

#[test]
fn the_densest_snappy_block_is_within_the_ratio_that_is_believed() {
    let zeros = vec![0; MIB];
    let block = snap::raw::Encoder::new().compress_vec(&zeros).unwrap();
    assert_eq!(unpack(Compression::Snappy, &block, MIB).unwrap(), zeros);
}

#[test]
fn lz4_frames_with_checksums_sizes_and_linked_blocks_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let input = words(300_000);
    for mode in [BlockMode::Independent, BlockMode::Linked] {
        for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max4MB] {
            let frame = FrameInfo::new()
                .block_mode(mode)
                .block_size(size)
                .content_size(Some(300_000))
                .content_checksum(true)
                .block_checksums(true);
            let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(&input).unwrap();
            let packed = encoder.finish().unwrap();
            assert_eq!(unpack(Compression::Lz4, &packed, MIB).unwrap(), input);
            let mut damaged = packed;
            let last = damaged.len() - 1;
            damaged[last] ^= 1;
            assert!(unpack(Compression::Lz4, &damaged, MIB).is_err());
        }
    }
}

#[test]
fn an_empty_lz4_block_does_not_end_the_frame() {
    let packed = Compression::Lz4.compress(None, b"abc").unwrap();
    let empty_stored_block = 0x8000_0000_u32.to_le_bytes();
    let with_empty_block = [&packed[..7], &empty_stored_block, &packed[7..]].concat();
    assert_eq!(unpack(Compression::Lz4, &with_empty_block, MIB).unwrap(), b"abc");
}

#[test]
fn lz4_is_written_as_java_reads_it() {
    let packed = Compression::Lz4.compress(None, &words(200_000)).unwrap();
    let (version, independent) = (packed[4] >> 6, packed[4] >> 5 & 1);
    let block_size = packed[5] >> 4;
    assert_eq!((version, independent, block_size), (1, 1, 4));
}

#[test]
fn levels_outside_kafkas_ranges_are_refused() {
    let level = |codec: Compression, level| codec.compress(Some(level), b"abc").is_ok();
    for good in [-1, 1, 9] {
        assert!(level(Compression::Gzip, good));
    }
    for bad in [-2, 0, 10] {
        assert!(!level(Compression::Gzip, bad));
    }
    assert!(level(Compression::Lz4, 17) && !level(Compression::Lz4, 18) && !level(Compression::Lz4, 0));
    assert!(
        level(Compression::Zstd, -131_072) && level(Compression::Zstd, 22) && !level(Compression::Zstd, 23)
    );
    assert!(level(Compression::Snappy, 77) && level(Compression::None, 77));
}

#[test]
fn a_higher_level_packs_tighter() {
    let input = words(200_000);
    for (codec, high, low) in [(Compression::Gzip, 9, 1), (Compression::Zstd, 19, -50)] {
        let size = |level| codec.compress(Some(level), &input).unwrap().len();
        assert!(size(high) < size(low), "{}", codec.name());
    }
}

#[test]
fn ids_are_those_of_the_attributes() {
    for codec in Compression::ALL {
        assert_eq!(Compression::from_attributes(codec.id() | 0b1_1000).unwrap(), codec);
    }
    assert!(matches!(Compression::from_attributes(5), Err(CompressionError::UnknownId { id: 5 })));
}

/// Three records each, in a batch as Kafka 4.3 stored what the client sent it: Java's console producer and librdkafka.
#[test]
fn batches_of_real_clients_unpack_to_their_records() {
    let batches: [(Compression, &[u8]); 8] = [
        (Compression::Gzip, include_bytes!("../../../fuzz/seeds/batch/java-gzip.bin")),
        (Compression::Snappy, include_bytes!("../../../fuzz/seeds/batch/java-snappy.bin")),
        (Compression::Lz4, include_bytes!("../../../fuzz/seeds/batch/java-lz4.bin")),
        (Compression::Zstd, include_bytes!("../../../fuzz/seeds/batch/java-zstd.bin")),
        (Compression::Gzip, include_bytes!("../../../fuzz/seeds/batch/kcat-gzip.bin")),
        (Compression::Snappy, include_bytes!("../../../fuzz/seeds/batch/kcat-snappy.bin")),
        (Compression::Lz4, include_bytes!("../../../fuzz/seeds/batch/kcat-lz4.bin")),
        (Compression::Zstd, include_bytes!("../../../fuzz/seeds/batch/kcat-zstd.bin")),
    ];
    for (codec, batch) in batches {
        assert_eq!(Compression::from_attributes(i16::from_be_bytes([batch[21], batch[22]])).unwrap(), codec);
        let unpacked = unpack(codec, &batch[61..], MIB).unwrap();
        for number in 1..=3 {
            let value = format!("value {number}: the same words again and again");
            assert!(unpacked.windows(value.len()).any(|window| window == value.as_bytes()));
        }
    }
}

proptest! {
    #[test]
    fn garbage_never_panics_and_never_passes_the_limit(
        codec in prop::sample::select(&Compression::ALL[..]),
        input in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        if let Ok(unpacked) = codec.decompress(&input, 10_000) {
            prop_assert!(unpacked.len() <= 10_000);
        }
    }

    #[test]
    fn a_changed_stream_never_panics_and_never_passes_the_limit(
        codec in prop::sample::select(&PACKED[..]),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut packed = codec.compress(None, &words(3000)).unwrap();
        let at = at.index(packed.len());
        packed[at] = byte;
        if let Ok(unpacked) = codec.decompress(&packed, 3100) {
            prop_assert!(unpacked.len() <= 3100);
        }
    }
}
