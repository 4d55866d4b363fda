//! The file `metadata.image` in the metadata log's directory: the image as commands, as of one
//! Raft index.
//!
//! Layout: magic 8 bytes · Raft index u64 · one v2 batch of commands, whose own CRC covers it. The
//! Raft index stands once more in the batch's base offset field, so that a torn head shows.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::metadata::{Command, MetadataImage};
use crate::model::{BatchHeader, RaftIndex};
use crate::storage::{Disk, During, StorageError};

const NAME: &str = "metadata.image";
const TEMPORARY: &str = "metadata.image.tmp";
const MAGIC: [u8; 8] = *b"BATEAUM\x01";
/// Bytes before the batch.
const HEAD: usize = 16;
/// The largest image that is read back.
const IMAGE_BYTES_MAX: u64 = 1 << 30;

/// Where the image of the log in `dir` stands.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// The bytes of an image as of `applied`.
pub(super) fn encode(image: &MetadataImage, applied: RaftIndex) -> Vec<u8> {
    let batch = Command::batch(image.commands(), 0);
    let mut bytes = [&MAGIC[..], &applied.to_be_bytes()[..], &batch[..]].concat();
    bytes[HEAD..HEAD + 8].copy_from_slice(&applied.to_be_bytes());
    bytes
}

/// Writes the image under a temporary name, syncs it, and renames it over the old one.
pub(super) fn write(
    disk: &dyn Disk,
    dir: &Path,
    image: &MetadataImage,
    applied: RaftIndex,
) -> Result<(), StorageError> {
    let (path, temporary) = (dir.join(NAME), dir.join(TEMPORARY));
    let file = disk.open(&temporary, true).during("open", &temporary)?;
    file.set_len(0).during("empty", &temporary)?;
    file.write_at(&[IoSlice::new(&encode(image, applied))], 0).during("write", &temporary)?;
    file.sync().during("sync", &temporary)?;
    disk.rename(&temporary, &path).during("rename", &temporary)?;
    disk.sync_dir(dir).during("sync", dir)
}

/// The written image and the Raft index that it stands for; an empty one if none was written.
///
/// # Errors
/// [`StorageError`] if there is one and it is not whole: the log before it may be gone.
pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Result<(MetadataImage, Option<RaftIndex>), StorageError> {
    let path = dir.join(NAME);
    if !disk.exists(&path).during("look for", &path)? {
        return Ok((MetadataImage::default(), None));
    }
    let file = disk.open(&path, false).during("open", &path)?;
    let length = file.len().during("measure", &path)?.min(IMAGE_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_at(&mut bytes, 0).during("read", &path)?;
    let (image, applied) = decode(&bytes).during("understand", &path)?;
    Ok((image, Some(applied)))
}

/// What [`encode`] made; anything else is an error.
pub(super) fn decode(bytes: &[u8]) -> io::Result<(MetadataImage, RaftIndex)> {
    let bad = |reason: &'static str| io::Error::new(io::ErrorKind::InvalidData, reason);
    let (head, batch) =
        bytes.split_first_chunk::<HEAD>().ok_or_else(|| bad("it is shorter than its head"))?;
    let (magic, index) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(bad("it does not begin as an image"));
    }
    let header = BatchHeader::parse(batch).map_err(io::Error::other)?;
    header.check_crc(batch).map_err(io::Error::other)?;
    if index != &batch[..8] {
        return Err(bad("its Raft index stands in it twice, and differs"));
    }
    let mut image = MetadataImage::default();
    for command in Command::of_batch(batch).map_err(io::Error::other)? {
        image.apply(command).map_err(io::Error::other)?;
    }
    let applied = header.base_offset.0.cast_unsigned();
    Ok((image, applied))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ProducerIdsTaken;
    use crate::storage::MemDisk;

    #[test]
    fn an_image_is_read_as_it_was_written_and_damage_shows() {
        let disk = MemDisk::new();
        let dir = Path::new("/d");
        disk.create_dir(dir).unwrap();
        assert_eq!(read(&disk, dir).unwrap(), (MetadataImage::default(), None));
        let mut image = MetadataImage::default();
        image.apply(Command::ProducerIdsTaken(ProducerIdsTaken { next: 9 })).unwrap();
        write(&disk, dir, &image, 77).unwrap();
        assert_eq!(read(&disk, dir).unwrap(), (image, Some(77)));
        let file = disk.open(&dir.join(NAME), false).unwrap();
        let length = file.len().unwrap();
        for at in 0..length {
            let mut byte = [0];
            file.read_at(&mut byte, at).unwrap();
            file.write_at(&[IoSlice::new(&[byte[0] ^ 0x40])], at).unwrap();
            // The epoch in the batch header is the only thing that nothing covers or repeats.
            let covered = !(HEAD as u64 + 12..HEAD as u64 + 16).contains(&at);
            assert_eq!(read(&disk, dir).is_err(), covered, "byte {at}");
            file.write_at(&[IoSlice::new(&byte)], at).unwrap();
        }
    }
}
