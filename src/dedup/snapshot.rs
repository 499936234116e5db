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
use super::{Device, DeviceError, Devices, Fingerprint, Message, MessageId, Position, Secret, SettingsError};

const MAGIC: [u8; 8] = *b"IRDEDUP\0";
const VERSION: u16 = 2;
/// The first version that may hold the names of devices.
const NAMES_SINCE: u16 = 2;
/// Records of a block, at most.
const BLOCK: u32 = 4096;
/// Magic, version, flags, secret, and whether and when the engine was last given the time.
const HEADER: usize = 8 + 2 + 2 + 16 + 1 + 8;
const FIRSTS: u16 = 1;
const POSITIONS: u16 = 2;
const NAMES: u16 = 4;
/// Bytes of a name, at most, and of the names of a block before the last.
const LONGEST_NAME: usize = u16::MAX as usize;
const NAMES_BLOCK: usize = 1 << 16;
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
    /// When the engine that was saved was last given the time.
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
    /// It has no names of devices, and the device list that was given has some.
    #[error(
        "the snapshot holds numbers of devices and no names, but {names} devices are given: give an empty list, and make sure that the numbers are still those of the same devices"
    )]
    WithoutNames {
        /// How many devices the list has.
        names: usize,
    },
    /// The device list has no room for the names of the snapshot.
    #[error("the device list has no room for the devices of the snapshot")]
    Devices(#[from] DeviceError),
    /// Something follows it.
    #[error(
        "the snapshot ends at byte {at}, and more follows: give the file that `snapshot` wrote, and nothing else"
    )]
    Trailing {
        /// Where it ends.
        at: u64,
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

/// What precedes the records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) secret: Secret,
    pub(super) now: Option<i64>,
    pub(super) firsts: bool,
    pub(super) positions: bool,
    /// Whether the names of the devices follow it.
    pub(super) names: bool,
}

impl Header {
    pub(super) const fn new(rules: &Rules, secret: Secret, now: Option<i64>) -> Self {
        Self { secret, now, firsts: rules.sliding, positions: rules.positions, names: false }
    }

    /// The clock of an engine that is restored, at the given time.
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
    /// How many devices have names; of none, any number may be written.
    names: u32,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(mut to: W, header: Header, devices: &Devices) -> io::Result<Self> {
        let names = u32::try_from(devices.names().len()).unwrap_or(u32::MAX);
        let header = Header { names: names > 0, ..header };
        let mut bytes = Vec::with_capacity(HEADER + 8);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        let of_records =
            if header.firsts { FIRSTS } else { 0 } | if header.positions { POSITIONS } else { 0 };
        let flags = of_records | if header.names { NAMES } else { 0 };
        bytes.extend(flags.to_le_bytes());
        bytes.extend(header.secret.to_bytes());
        bytes.push(header.now.is_some().into());
        bytes.extend(header.now.unwrap_or(0).to_le_bytes());
        let checksum = checksum(0, &bytes);
        bytes.extend(checksum.to_le_bytes());
        to.write_all(&bytes)?;
        let block = Vec::with_capacity(4 + BLOCK as usize * header.record_size() + 8);
        let saved = Saved { ids: 0, in_flight: 0 };
        let mut writer = Self { to, header, checksum, block, in_block: 0, saved, names };
        if names > 0 {
            writer.write_names(devices)?;
        }
        Ok(writer)
    }

    fn write_names(&mut self, devices: &Devices) -> io::Result<()> {
        let mut names = Vec::with_capacity(NAMES_BLOCK);
        for name in devices.names() {
            let length = u16::try_from(name.len()).map_err(|_| {
                let bytes = name.len();
                invalid(format!(
                    "device name of {bytes} bytes: a snapshot holds {LONGEST_NAME} at most; shorten it"
                ))
            })?;
            names.extend(length.to_le_bytes());
            names.extend(name.as_bytes());
            if names.len() >= NAMES_BLOCK {
                self.end_names(&mut names)?;
            }
        }
        if !names.is_empty() {
            self.end_names(&mut names)?;
        }
        self.end_names(&mut names)
    }

    fn end_names(&mut self, names: &mut Vec<u8>) -> io::Result<()> {
        self.block.extend(u32::try_from(names.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.block.append(names);
        self.write_block()
    }

    /// Whether the device of an id has a name, or none has.
    pub(super) const fn has_name(&self, entry: &Entry) -> bool {
        self.names == 0 || entry.message.device.number() < self.names
    }

    /// Adds an id; one that was given up is passed over.
    pub(super) fn write(&mut self, entry: &Entry) -> io::Result<()> {
        match entry.state {
            State::Seen => {}
            State::Reserved => {
                self.saved.in_flight += 1;
                return Ok(());
            }
            State::Moved => return Ok(()),
        }
        if !self.has_name(entry) {
            let number = entry.message.device.number();
            return Err(invalid(format!(
                "device {number} is not in the device list: give the list that numbered the devices of the messages"
            )));
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
        self.in_block = 0;
        self.write_block()
    }

    fn write_block(&mut self) -> io::Result<()> {
        self.checksum = checksum(self.checksum, &self.block);
        self.block.extend(self.checksum.to_le_bytes());
        self.to.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
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
    /// The devices of the numbers in it, where it has their names.
    devices: Vec<Device>,
}

impl<R: Read> Reader<R> {
    /// Reads the header and the names, which it looks up in `devices`, or adds to them.
    pub(super) fn new(from: R, devices: &mut Devices) -> Result<Self, RestoreError> {
        let secret = Secret::from_bytes([0; 16]);
        let header = Header { secret, now: None, firsts: false, positions: false, names: false };
        let mut reader = Self {
            from,
            header,
            checksum: 0,
            bytes: 0,
            block_at: 0,
            block: Vec::new(),
            ids: 0,
            devices: Vec::new(),
        };
        reader.read_header()?;
        if reader.header.names {
            reader.read_names(devices)?;
        } else if devices.names().len() > 0 {
            return Err(RestoreError::WithoutNames { names: devices.names().len() });
        }
        Ok(reader)
    }

    fn read_names(&mut self, devices: &mut Devices) -> Result<(), RestoreError> {
        loop {
            self.block_at = self.bytes;
            self.block.clear();
            self.take(4)?;
            let length = Fields(&self.block).u32().unwrap_or(0) as usize;
            if length > NAMES_BLOCK + 2 + LONGEST_NAME {
                return Err(self.damaged("it claims more names than a block may have"));
            }
            self.take(length)?;
            self.check_block()?;
            if length == 0 {
                return Ok(());
            }
            let mut fields = Fields(self.block.get(4..).unwrap_or_default());
            while !fields.0.is_empty() {
                let name =
                    fields.text().ok_or_else(|| self.damaged("a device name is cut off, or is no UTF-8"))?;
                self.devices.push(devices.number(name)?);
            }
        }
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
                let in_flight = in_flight.ok_or_else(|| self.damaged("it is too short"))?;
                return self.read_end().map(|()| in_flight);
            }
            self.ids += u64::from(count);
            for _ in 0..count {
                let mut entry = fields.entry(&self.header).map_err(|what| self.damaged(what))?;
                if self.header.names {
                    let device = self.devices.get(entry.message.device.number() as usize);
                    entry.message.device = *device.ok_or_else(|| self.damaged("a device has no name"))?;
                }
                put(&entry);
            }
        }
    }

    /// Nothing follows.
    fn read_end(&mut self) -> Result<(), RestoreError> {
        let at = self.bytes;
        self.block.clear();
        match self.take(1) {
            Ok(()) => Err(RestoreError::Trailing { at }),
            Err(RestoreError::Truncated { .. }) => Ok(()),
            Err(error) => Err(error),
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
        let known = FIRSTS | POSITIONS | if version >= NAMES_SINCE { NAMES } else { 0 };
        if version == 0 || flags & !known != 0 {
            return Err(self.damaged("no version of the format has such a header"));
        }
        let secret = fields.array().map(Secret::from_bytes);
        let told = fields.array::<1>() == Some([1]);
        let now = fields.i64().filter(|_| told);
        let Some(secret) = secret else { return Err(self.damaged("it is too short")) };
        if now.is_some_and(|now| !is_of_the_calendar(now)) {
            return Err(self.damaged("its time is beyond the calendar"));
        }
        let has = |flag| flags & flag != 0;
        self.header =
            Header { secret, now, firsts: has(FIRSTS), positions: has(POSITIONS), names: has(NAMES) };
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

    /// A text behind its length.
    fn text(&mut self) -> Option<&str> {
        let length = self.u16()?;
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
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
    fn impossible_record_is_refused() {
        let header = Header {
            secret: Secret::from_bytes([1; 16]),
            now: Some(1000),
            firsts: true,
            positions: false,
            names: false,
        };
        let message = Message::new(MessageId::from_u128(1), Device::MAX, Fingerprint::from_u64(2));
        let read = |first, at| {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes, header, &Devices::default()).unwrap();
            writer.write(&Entry { message, state: State::Seen, first, at, renewed: true }).unwrap();
            writer.finish().unwrap();
            let mut told = Vec::new();
            let result =
                Reader::new(&bytes[..], &mut Devices::default()).unwrap().read_all(|entry| told.push(*entry));
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
