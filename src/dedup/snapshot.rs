#![doc = include_str!("snapshot.md")]

use std::io::{self, Read, Write};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use thiserror::Error;

use super::clock::{EngineClock, instant};
use super::log::{Entry, State};
use super::settings::Rules;
use super::tracker::PutBack;
use super::{Device, Fingerprint, Message, MessageId, Position, Secret, SettingsError};

const MAGIC: [u8; 8] = *b"IRDEDUP\0";
const VERSION: u16 = 1;
/// Records of a block, at most.
const BLOCK: u32 = 4096;
/// Magic, version, flags, secret, and whether and when the engine was last told the time.
const HEADER: usize = 8 + 2 + 2 + 16 + 1 + 8;
const FIRSTS: u16 = 1;
const POSITIONS: u16 = 2;
/// In the device of a record: its sighting is younger than its place.
const RENEWED: u32 = 1 << 31;

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Saved {
    /// How many ids were written.
    pub ids: u64,
    /// How many were left out because they are in flight: after a restore their messages count as never seen.
    pub in_flight: u64,
}

/// What came of a snapshot when it was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Restored {
    /// How many ids are remembered.
    pub ids: u64,
    /// How many the snapshot left out as in flight.
    pub in_flight: u64,
    /// How many were left out because the settings remember them for less long.
    pub expired: u64,
    /// How many of the oldest were left out because the limit is lower than their number.
    pub over_limit: u64,
    /// How many stood in it a second time: their first record counts.
    pub repeated: u64,
    /// How many found no room in the index though there was some; chance does not do that.
    pub refused: u64,
    /// When the engine that was saved was last told the time.
    pub saved_at: Option<DateTime<Utc>>,
}

impl Restored {
    /// Counts what came of an id.
    pub(super) const fn count(&mut self, put_back: PutBack) {
        match put_back {
            PutBack::Remembered => self.ids += 1,
            PutBack::ForTheOldest => self.over_limit += 1,
            PutBack::Expired => self.expired += 1,
            PutBack::Repeated => self.repeated += 1,
            PutBack::Refused => self.refused += 1,
        }
    }
}

/// Why a snapshot could not be restored. Nothing of it is in force then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The settings do not hold.
    #[error("the settings do not hold")]
    Settings(#[from] SettingsError),
    /// It is something else.
    #[error(
        "this is no snapshot of a deduplication window: it begins with {begins:02x?}; give the file that `snapshot` wrote"
    )]
    NotASnapshot {
        /// Its first bytes.
        begins: [u8; 8],
    },
    /// A later version of the library wrote it.
    #[error(
        "the snapshot has format version {version}, and this library reads {VERSION} at most: restore it with the version that wrote it, or a later one"
    )]
    Newer {
        /// Its version.
        version: u16,
    },
    /// It ends before it is complete.
    #[error(
        "the snapshot ends after {bytes} bytes, before it is complete: its writing was cut off; take an earlier one"
    )]
    Truncated {
        /// How long it is.
        bytes: u64,
    },
    /// A part of it is not what was written.
    #[error(
        "the snapshot is damaged in the part that begins at byte {at}: {what}; take another copy, or an earlier one"
    )]
    Damaged {
        /// Where the part begins.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It could not be read.
    #[error("the snapshot could not be read beyond byte {bytes}")]
    Read {
        /// How much was read.
        bytes: u64,
        /// Why.
        source: io::Error,
    },
}

/// What stands before the records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) secret: Secret,
    pub(super) now: Option<i64>,
    pub(super) firsts: bool,
    pub(super) positions: bool,
}

impl Header {
    pub(super) const fn new(rules: &Rules, secret: Secret, now: Option<i64>) -> Self {
        Self { secret, now, firsts: rules.sliding, positions: rules.positions }
    }

    /// The clock of an engine that is restored, told the time.
    pub(super) fn clock(&self, rules: &Rules, now: DateTime<Utc>) -> EngineClock {
        let mut clock = EngineClock::at(self.now, rules.max_forward_jump);
        clock.tell(now);
        clock
    }

    const fn record_size(&self) -> usize {
        36 + if self.firsts { 8 } else { 0 } + if self.positions { 13 } else { 0 }
    }
}

/// Writes a snapshot, a block at a time.
pub(super) struct Writer<W> {
    to: W,
    header: Header,
    checksum: u64,
    block: Vec<u8>,
    in_block: u32,
    saved: Saved,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(mut to: W, header: Header) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(HEADER + 8);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        let flags = if header.firsts { FIRSTS } else { 0 } | if header.positions { POSITIONS } else { 0 };
        bytes.extend(flags.to_le_bytes());
        bytes.extend(header.secret.to_bytes());
        bytes.push(header.now.is_some().into());
        bytes.extend(header.now.unwrap_or(0).to_le_bytes());
        let checksum = checksum(0, &bytes);
        bytes.extend(checksum.to_le_bytes());
        to.write_all(&bytes)?;
        let block = Vec::with_capacity(4 + BLOCK as usize * header.record_size() + 8);
        Ok(Self { to, header, checksum, block, in_block: 0, saved: Saved { ids: 0, in_flight: 0 } })
    }

    /// Adds an id; one that was given up is passed over.
    pub(super) fn write(&mut self, entry: &Entry) -> io::Result<()> {
        match entry.state {
            State::Seen => {}
            State::Reserved => {
                self.saved.in_flight += 1;
                return Ok(());
            }
            State::Released | State::Moved => return Ok(()),
        }
        if self.in_block == 0 {
            self.block.extend([0; 4]);
        }
        let message = &entry.message;
        self.block.extend(message.id.to_u128().to_le_bytes());
        let renewed = if entry.renewed { RENEWED } else { 0 };
        self.block.extend((message.device.number() | renewed).to_le_bytes());
        self.block.extend(message.payload.to_u64().to_le_bytes());
        self.block.extend(entry.at.to_le_bytes());
        if self.header.firsts {
            self.block.extend(entry.first.to_le_bytes());
        }
        if self.header.positions {
            let position = message.position.unwrap_or(Position::new(0, 0));
            self.block.push(message.position.is_some().into());
            self.block.extend(position.source.to_le_bytes());
            self.block.extend(position.offset.to_le_bytes());
        }
        self.in_block += 1;
        self.saved.ids += 1;
        if self.in_block == BLOCK { self.end_block() } else { Ok(()) }
    }

    /// Writes what is left, and the end.
    pub(super) fn finish(mut self) -> io::Result<Saved> {
        if self.in_block > 0 {
            self.end_block()?;
        }
        self.block.extend([0; 4]);
        self.block.extend(self.saved.ids.to_le_bytes());
        self.block.extend(self.saved.in_flight.to_le_bytes());
        self.end_block()?;
        self.to.flush()?;
        Ok(self.saved)
    }

    fn end_block(&mut self) -> io::Result<()> {
        let count = self.in_block.to_le_bytes();
        self.block.iter_mut().zip(count).for_each(|(byte, count)| *byte = count);
        self.checksum = checksum(self.checksum, &self.block);
        self.block.extend(self.checksum.to_le_bytes());
        self.to.write_all(&self.block)?;
        self.block.clear();
        self.in_block = 0;
        Ok(())
    }
}

/// Reads a snapshot, a block at a time.
pub(super) struct Reader<R> {
    from: R,
    header: Header,
    checksum: u64,
    /// How many bytes were read, and where the present block begins.
    bytes: u64,
    block_at: u64,
    block: Vec<u8>,
    ids: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(from: R) -> Result<Self, RestoreError> {
        let header =
            Header { secret: Secret::from_bytes([0; 16]), now: None, firsts: false, positions: false };
        let mut reader = Self { from, header, checksum: 0, bytes: 0, block_at: 0, block: Vec::new(), ids: 0 };
        reader.read_header()?;
        Ok(reader)
    }

    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// Reads every block, and hands each id to `put`, which says why it cannot be. Returns how many were left out
    /// as in flight.
    pub(super) fn read_all(mut self, mut put: impl FnMut(&Entry)) -> Result<u64, RestoreError> {
        let size = self.header.record_size();
        loop {
            self.block_at = self.bytes;
            self.block.clear();
            self.take(4)?;
            let count = Fields(&self.block).u32().unwrap_or(0);
            if count > BLOCK {
                return Err(self.damaged("it claims more records than a block may have"));
            }
            self.take(if count == 0 { 16 } else { count as usize * size })?;
            self.check_block()?;
            let mut fields = Fields(&self.block);
            fields.u32();
            if count == 0 {
                let (ids, in_flight) = (fields.u64(), fields.u64());
                if ids != Some(self.ids) {
                    return Err(self.damaged("it counts other records than there are"));
                }
                return in_flight.ok_or_else(|| self.damaged("it is too short"));
            }
            self.ids += u64::from(count);
            for _ in 0..count {
                let entry = fields.entry(&self.header).map_err(|what| self.damaged(what))?;
                put(&entry);
            }
        }
    }

    fn read_header(&mut self) -> Result<(), RestoreError> {
        self.take(MAGIC.len())?;
        let begins: [u8; 8] = self.block.as_slice().try_into().unwrap_or_default();
        if begins != MAGIC {
            return Err(RestoreError::NotASnapshot { begins });
        }
        self.take(2)?;
        let version = Fields(self.block.get(8..).unwrap_or_default()).u16().unwrap_or(0);
        if version > VERSION {
            return Err(RestoreError::Newer { version });
        }
        self.take(HEADER - 10)?;
        self.check_block()?;
        let mut fields = Fields(self.block.get(10..).unwrap_or_default());
        let flags = fields.u16().unwrap_or(0);
        if version == 0 || flags & !(FIRSTS | POSITIONS) != 0 {
            return Err(self.damaged("no version of the format has such a header"));
        }
        let secret = fields.array().map(Secret::from_bytes);
        let told = fields.array::<1>() == Some([1]);
        let now = fields.i64().filter(|_| told);
        let Some(secret) = secret else { return Err(self.damaged("it is too short")) };
        if now.is_some_and(|now| !is_of_the_calendar(now)) {
            return Err(self.damaged("its time is beyond the calendar"));
        }
        self.header = Header { secret, now, firsts: flags & FIRSTS != 0, positions: flags & POSITIONS != 0 };
        Ok(())
    }

    /// Reads the checksum that follows the block, and compares it.
    fn check_block(&mut self) -> Result<(), RestoreError> {
        let computed = checksum(self.checksum, &self.block);
        let length = self.block.len();
        self.take(8)?;
        let written = Fields(self.block.get(length..).unwrap_or_default()).u64();
        self.block.truncate(length);
        self.checksum = computed;
        if written == Some(computed) { Ok(()) } else { Err(self.damaged("its checksum is another")) }
    }

    /// Reads so many bytes more into the block. Bounded by the largest block.
    fn take(&mut self, count: usize) -> Result<(), RestoreError> {
        let read = (&mut self.from).take(count as u64).read_to_end(&mut self.block);
        match read {
            Ok(read) => {
                self.bytes += read as u64;
                if read == count { Ok(()) } else { Err(RestoreError::Truncated { bytes: self.bytes }) }
            }
            Err(source) => Err(RestoreError::Read { bytes: self.bytes, source }),
        }
    }

    const fn damaged(&self, what: &'static str) -> RestoreError {
        RestoreError::Damaged { at: self.block_at, what }
    }
}

/// Numbers in little-endian order, from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn entry(&mut self, header: &Header) -> Result<Entry, &'static str> {
        self.parts(header).ok_or("a record is too short")?.ok_or("a record is none that an engine writes")
    }

    /// `None` where the bytes end, `Some(None)` where they are no record.
    fn parts(&mut self, header: &Header) -> Option<Option<Entry>> {
        let id = MessageId::from_u128(self.array().map(u128::from_le_bytes)?);
        let device = self.u32()?;
        let (device, renewed) = (Device::new(device & !RENEWED), device & RENEWED != 0);
        let payload = Fingerprint::from_u64(self.u64()?);
        let at = self.i64()?;
        let first = if header.firsts { self.i64()? } else { at };
        let position = if header.positions {
            let [has] = self.array()?;
            let position = Position::new(self.u32()?, self.u64()?);
            (has != 0).then_some(position)
        } else {
            None
        };
        // An engine has seen nothing after the time that it was last told.
        let holds = first <= at && is_of_the_calendar(first) && header.now.is_some_and(|now| at <= now);
        let Some(device) = device.ok().filter(|_| holds) else { return Some(None) };
        let mut message = Message::new(id, device, payload);
        message.position = position;
        Some(Some(Entry { message, state: State::Seen, first, at, renewed }))
    }
}

fn is_of_the_calendar(ms: i64) -> bool {
    instant(ms).timestamp_millis() == ms
}

/// The checksum of a part that follows a part with that checksum: SipHash-1-3 under a key that everybody knows.
fn checksum(before: u64, part: &[u8]) -> u64 {
    SipHasher13::new_with_keys(before, u64::from_le_bytes(MAGIC)).hash(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_no_engine_writes_is_refused_though_its_checksum_is_right() {
        let header =
            Header { secret: Secret::from_bytes([1; 16]), now: Some(1000), firsts: true, positions: false };
        let message = Message::new(MessageId::from_u128(1), Device::MAX, Fingerprint::from_u64(2));
        let read = |first, at| {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes, header).unwrap();
            writer.write(&Entry { message, state: State::Seen, first, at, renewed: true }).unwrap();
            writer.finish().unwrap();
            let mut told = Vec::new();
            let result = Reader::new(&bytes[..]).unwrap().read_all(|entry| told.push(*entry));
            result.map(|in_flight| (in_flight, told)).map_err(|error| error.to_string())
        };
        let entry = Entry { message, state: State::Seen, first: 900, at: 1000, renewed: true };
        assert_eq!(read(900, 1000), Ok((0, vec![entry])));
        for (first, at) in
            [(900, 1001), (950, 940), (i64::MIN, 1000), (i64::MAX, i64::MAX), (i64::MIN, i64::MIN)]
        {
            let error = read(first, at).unwrap_err();
            assert!(error.contains("at byte 45: a record is none that an engine writes"), "{error}");
        }
    }
}
