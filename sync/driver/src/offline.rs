//! A node that is not running, opened for single commands: no links, no API, and nobody else can open it meanwhile.

use holdfast_domain::id::MissionId;
use holdfast_domain::parcel::{ParcelContents, ParcelImported, ParcelNew};
use holdfast_domain::query::PageRequest;

use crate::blobs::BlobConfig;
use crate::clock::SystemClock;
use crate::data_dir::DataDir;
use crate::effect::{Effect, Reply};
use crate::engine::Engine;
use crate::event::{Command, Event, Ticket};
use crate::handle::Failed;
use crate::notices::log;
use crate::parcel::sealing::{ParcelKey, Recipient};
use crate::parcel::{ParcelReader, ParcelRefusal, export, import};
use crate::retention::Retention;
use crate::run::{StartError, member, open_engine};

/// A stopped node.
pub struct Offline {
    engine: Engine,
    clock: SystemClock,
    reader: ParcelReader,
    tickets: u64,
}

/// What the node of a data directory proves and reads parcels with; it may be running.
pub fn parcel_reader(dir: &DataDir) -> Result<ParcelReader, StartError> {
    let (key, membership) = member(dir)?;
    Ok(ParcelReader {
        org: membership.credential.org,
        authority: membership.authority,
        key: ParcelKey::of_device(&key.signing()),
    })
}

/// The key to which parcels for this device are sealed, `age1…`; it may be known to all.
pub fn parcel_key(dir: &DataDir) -> Result<String, StartError> {
    let (key, _) = member(dir)?;
    Ok(Recipient::of_device(&key.public()).map_or_else(String::new, |recipient| recipient.to_string()))
}

impl Offline {
    /// Opens the node of a data directory. Fails while it runs.
    pub fn open(dir: &DataDir) -> Result<Self, StartError> {
        let clock = SystemClock::start();
        let reader = parcel_reader(dir)?;
        let (key, membership) = member(dir)?;
        let settings = (Retention::default(), BlobConfig::default());
        let engine = open_engine(dir, &key, &membership, None, settings, clock.now())?;
        Ok(Self { engine, clock, reader, tickets: 0 })
    }

    /// The mission of this name, if it is its alone; or of this id.
    pub fn mission_named(&self, named: &str) -> Result<MissionId, Failed> {
        if let Ok(id) = named.parse() {
            return Ok(id);
        }
        let views = self.engine.store().reader().map_err(Failed::Store)?;
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = views.mission_list(&PageRequest::new(None, cursor), true).map_err(Failed::Store)?;
            let fits = page.items.iter().filter(|item| item.record.name == named);
            found.extend(fits.map(|item| item.record.id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        match found.as_slice() {
            [one] => Ok(*one),
            _ => Err(holdfast_domain::refusal::Refusal::NotFound { kind: "mission", id: named.to_owned() }.into()),
        }
    }

    /// Makes a parcel.
    pub fn parcel_export(&mut self, new: &ParcelNew) -> Result<Vec<u8>, Failed> {
        export(&mut |command| self.ask(command), new)
    }

    /// Takes a parcel in.
    pub fn parcel_import(&mut self, bytes: &[u8]) -> Result<ParcelImported, Failed> {
        let Self { engine, clock, reader, tickets } = self;
        import(&mut |command| ask(engine, *clock, tickets, command), reader, bytes)
    }

    /// Tells what is in a parcel.
    pub fn parcel_inspect(&self, bytes: &[u8]) -> Result<ParcelContents, Failed> {
        Ok(self.reader.inspect(bytes).map_err(ParcelRefusal::from)?)
    }

    fn ask(&mut self, command: Command) -> Result<Reply, Failed> {
        ask(&mut self.engine, self.clock, &mut self.tickets, command)
    }
}

fn ask(engine: &mut Engine, clock: SystemClock, tickets: &mut u64, command: Command) -> Result<Reply, Failed> {
    *tickets += 1;
    let ticket = Ticket(*tickets);
    let mut answer = Err(Failed::Stopped);
    for effect in engine.step(clock.now(), vec![Event::Command(ticket, command)]) {
        match effect {
            Effect::Reply(of, reply) if of == ticket => answer = Ok(reply),
            Effect::Notice(notice) => log(&notice),
            // There are no links and no listeners; a store that fails for good has answered the command, too.
            Effect::Reply(..)
            | Effect::Send { .. }
            | Effect::Close { .. }
            | Effect::Learned(_)
            | Effect::Changed(_)
            | Effect::Fatal(_) => {}
        }
    }
    answer
}
