//! The folder of blob files: each named by its hash and length, beside it the hashes that prove its groups.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bao_tree::io::outboard::{PreOrderMemOutboard, PreOrderOutboard};
use bao_tree::io::sync::{ReadAt, Size, WriteAt};
use bao_tree::{BaoTree, BlockSize};
use holdfast_domain::blob::{BlobId, BlobKey};
use holdfast_domain::limits::BLOB_GROUP_BYTES;

use crate::lock::{private_directory, private_file};

/// Groups of sixteen chunks of 1 KiB.
pub(crate) const GROUP: BlockSize = BlockSize::from_chunk_log(4);
const _: () = assert!(GROUP.bytes() as u64 == BLOB_GROUP_BYTES);

/// Where blobs lie.
#[derive(Debug, Clone)]
pub struct Room(Place);

#[derive(Debug, Clone)]
enum Place {
    Folder(PathBuf),
    /// For a database in memory.
    Memory(Arc<Mutex<BTreeMap<String, Bytes>>>),
}

type Bytes = Arc<Mutex<Vec<u8>>>;

/// One file of the room, open for reading and writing at any place.
#[derive(Debug)]
pub(crate) enum Slot {
    File(File),
    Memory(Bytes),
}

impl ReadAt for Slot {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(position, buffer),
            Self::Memory(bytes) => lock(bytes).read_at(position, buffer),
        }
    }
}

impl WriteAt for Slot {
    fn write_at(&mut self, position: u64, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write_at(position, buffer),
            Self::Memory(bytes) => lock(bytes).write_at(position, buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Size for Slot {
    fn size(&self) -> io::Result<Option<u64>> {
        match self {
            Self::File(file) => Ok(Some(file.metadata()?.len())),
            Self::Memory(bytes) => Ok(Some(lock(bytes).len() as u64)),
        }
    }
}

impl Slot {
    fn set_len(&self, bytes: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.set_len(bytes),
            Self::Memory(vector) => {
                lock(vector).resize(usize::try_from(bytes).map_err(io::Error::other)?, 0);
                Ok(())
            }
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_data(),
            Self::Memory(_) => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The two files of a blob.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) data: Slot,
    pub(crate) tree: PreOrderOutboard<Slot>,
}

pub(crate) fn tree_of(key: &BlobKey) -> BaoTree {
    BaoTree::new(key.bytes, GROUP)
}

pub(crate) fn root_of(key: &BlobKey) -> bao_tree::blake3::Hash {
    bao_tree::blake3::Hash::from_bytes(key.id.0)
}

/// Begins the names of files that are not a blob yet.
const INCOMING: &str = "incoming-";

fn data_name(key: &BlobKey) -> String {
    format!("{}-{}", key.id, key.bytes)
}

fn tree_name(key: &BlobKey) -> String {
    format!("{}.tree", data_name(key))
}

/// A file that came in whole: hashed, its hashes beside it, both on disk, not yet counted as a blob.
#[derive(Debug)]
pub struct Staged {
    key: BlobKey,
    room: Room,
    name: String,
}

impl Staged {
    /// What it is.
    pub fn key(&self) -> BlobKey {
        self.key
    }

    /// Opens it, to look into it.
    pub fn open(&self) -> io::Result<File> {
        match &self.room.0 {
            Place::Folder(folder) => File::open(folder.join(&self.name)),
            Place::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn into_place(self) -> io::Result<()> {
        let tree = format!("{}.tree", self.name);
        self.room.rename(&tree, &tree_name(&self.key))?;
        self.room.rename(&self.name, &data_name(&self.key))?;
        self.room.sync()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What was taken into its place is not under these names any more; what cannot be removed is swept at the next start.
        self.room.remove(&self.name).ok();
        self.room.remove(&format!("{}.tree", self.name)).ok();
    }
}

/// A file that is coming in.
#[derive(Debug)]
pub struct Incoming {
    room: Room,
    name: String,
    slot: Slot,
    bytes: u64,
}

impl Incoming {
    /// Bytes that came so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.slot.write_all_at(self.bytes, bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Hashes what came and makes it durable.
    pub fn finish(mut self) -> io::Result<Staged> {
        let tree = BaoTree::new(self.bytes, GROUP);
        let size = usize::try_from(tree.outboard_size()).map_err(io::Error::other)?;
        let mut outboard =
            PreOrderMemOutboard { root: bao_tree::blake3::Hash::from_bytes([0; 32]), tree, data: vec![0; size] };
        let reader = Positioned { slot: &self.slot, at: 0 };
        let root = bao_tree::io::sync::outboard(reader, tree, &mut outboard)?;
        let mut hashes = self.room.create(&format!("{}.tree", self.name))?;
        hashes.write_all_at(0, &outboard.data)?;
        hashes.sync()?;
        self.slot.sync()?;
        let key = BlobKey { id: BlobId(*root.as_bytes()), bytes: self.bytes };
        let name = std::mem::take(&mut self.name);
        Ok(Staged { key, room: self.room.clone(), name })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            self.room.remove(&self.name).ok();
            self.room.remove(&format!("{}.tree", self.name)).ok();
        }
    }
}

/// A slot read from some place on.
pub(crate) struct Positioned<'a> {
    slot: &'a Slot,
    at: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.slot.read_at(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Room {
    /// The folder at `path`, made for its owner alone if it is not there.
    pub(crate) fn folder(path: &Path) -> io::Result<Self> {
        private_directory(path)?;
        Ok(Self(Place::Folder(path.to_owned())))
    }

    /// The folder at `path`, which a node has made.
    pub fn at(path: &Path) -> Self {
        Self(Place::Folder(path.to_owned()))
    }

    pub(crate) fn memory() -> Self {
        Self(Place::Memory(Arc::default()))
    }

    /// A copy of its own of a room in memory; of a folder, an empty room in memory.
    pub(crate) fn fork_copy(&self) -> Self {
        let Place::Memory(files) = &self.0 else { return Self::memory() };
        let copy = |(name, bytes): (&String, &Bytes)| (name.clone(), Arc::new(Mutex::new(lock(bytes).clone())));
        Self(Place::Memory(Arc::new(Mutex::new(lock(files).iter().map(copy).collect()))))
    }

    /// Begins a file that comes in; `number` names it apart from others under way.
    pub fn incoming(&self, number: u64) -> io::Result<Incoming> {
        let name = format!("{INCOMING}{number:016x}");
        let slot = self.create(&name)?;
        Ok(Incoming { room: self.clone(), name, slot, bytes: 0 })
    }

    /// A file with these bytes.
    pub fn stage(&self, number: u64, bytes: &[u8]) -> io::Result<Staged> {
        let mut incoming = self.incoming(number)?;
        incoming.write(bytes)?;
        incoming.finish()
    }

    /// Opens the bytes of a blob that is here whole, to be read beside the engine.
    pub fn read(&self, key: &BlobKey) -> io::Result<File> {
        match &self.0 {
            Place::Folder(folder) => File::open(folder.join(data_name(key))),
            Place::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The bytes of a blob that is here whole.
    pub fn content(&self, key: &BlobKey) -> io::Result<Vec<u8>> {
        let slot = self.open(&data_name(key))?;
        let mut bytes = Vec::new();
        Positioned { slot: &slot, at: 0 }.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Free bytes of the disk for who is no administrator; `None` if nobody can tell.
    pub fn free_bytes(&self) -> Option<u64> {
        let Place::Folder(folder) = &self.0 else { return None };
        let disk = rustix::fs::statvfs(folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// The files of a blob, as they are.
    pub(crate) fn pair(&self, key: &BlobKey) -> io::Result<Pair> {
        let (data, hashes) = (self.open(&data_name(key))?, self.open(&tree_name(key))?);
        Ok(Pair { data, tree: PreOrderOutboard { root: root_of(key), tree: tree_of(key), data: hashes } })
    }

    /// The files of a blob of which nothing is here yet.
    pub(crate) fn fresh_pair(&self, key: &BlobKey) -> io::Result<Pair> {
        let (data, hashes) = (self.create(&data_name(key))?, self.create(&tree_name(key))?);
        data.set_len(key.bytes)?;
        hashes.set_len(tree_of(key).outboard_size())?;
        self.sync()?;
        Ok(Pair { data, tree: PreOrderOutboard { root: root_of(key), tree: tree_of(key), data: hashes } })
    }

    pub(crate) fn drop_blob(&self, key: &BlobKey) -> io::Result<()> {
        self.remove(&data_name(key))?;
        self.remove(&tree_name(key))
    }

    /// Whether both files are there, as long as they should be.
    pub(crate) fn has(&self, key: &BlobKey) -> bool {
        let as_long =
            |name: &str, bytes: u64| self.open(name).and_then(|slot| slot.size()).is_ok_and(|size| size == Some(bytes));
        as_long(&data_name(key), key.bytes) && as_long(&tree_name(key), tree_of(key).outboard_size())
    }

    /// Removes every file that belongs to none of these blobs.
    pub(crate) fn sweep(&self, keys: &[BlobKey]) -> io::Result<usize> {
        let wanted: std::collections::BTreeSet<String> =
            keys.iter().flat_map(|key| [data_name(key), tree_name(key)]).collect();
        let names: Vec<String> = match &self.0 {
            Place::Folder(folder) => {
                let entries = std::fs::read_dir(folder)?.filter_map(Result::ok);
                entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
            }
            Place::Memory(files) => lock(files).keys().cloned().collect(),
        };
        let stray: Vec<&String> = names.iter().filter(|name| is_ours(name) && !wanted.contains(*name)).collect();
        stray.iter().try_for_each(|name| self.remove(name))?;
        Ok(stray.len())
    }

    fn open(&self, name: &str) -> io::Result<Slot> {
        match &self.0 {
            Place::Folder(folder) => {
                std::fs::OpenOptions::new().read(true).write(true).open(folder.join(name)).map(Slot::File)
            }
            Place::Memory(files) => match lock(files).get(name) {
                Some(bytes) => Ok(Slot::Memory(Arc::clone(bytes))),
                None => Err(io::ErrorKind::NotFound.into()),
            },
        }
    }

    /// An empty file of this name.
    fn create(&self, name: &str) -> io::Result<Slot> {
        match &self.0 {
            Place::Folder(folder) => {
                let file = private_file(&folder.join(name))?;
                file.set_len(0)?;
                Ok(Slot::File(file))
            }
            Place::Memory(files) => {
                let bytes = Bytes::default();
                lock(files).insert(name.to_owned(), Arc::clone(&bytes));
                Ok(Slot::Memory(bytes))
            }
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        match &self.0 {
            Place::Folder(folder) => std::fs::rename(folder.join(from), folder.join(to)),
            Place::Memory(files) => {
                let mut files = lock(files);
                let bytes = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
                files.insert(to.to_owned(), bytes);
                Ok(())
            }
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match &self.0 {
            Place::Folder(folder) => match std::fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            Place::Memory(files) => {
                lock(files).remove(name);
                Ok(())
            }
        }
    }

    /// Makes names durable.
    fn sync(&self) -> io::Result<()> {
        match &self.0 {
            Place::Folder(folder) => File::open(folder)?.sync_all(),
            Place::Memory(_) => Ok(()),
        }
    }
}

/// Whether a name is one that this room gives: what people put beside is theirs.
fn is_ours(name: &str) -> bool {
    let bare = name.strip_suffix(".tree").unwrap_or(name);
    let blob = bare
        .split_once('-')
        .is_some_and(|(id, bytes)| id.parse::<BlobId>().is_ok() && bytes.bytes().all(|byte| byte.is_ascii_digit()));
    blob || bare.starts_with(INCOMING)
}
