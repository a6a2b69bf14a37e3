//! Inputs: files, stdin, and what is compressed, all as one plain stream.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Out;

const GZIP: &[u8] = &[0x1f, 0x8b];
/// RFC 8878 section 3.1.1.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// RFC 8878 section 3.1.2, but for its first octet, 0x50 to 0x5f: parallel compressors begin so.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];

/// An open input, decompressed, with the name that messages use.
pub struct Input {
    /// The path as the user gave it, `-` for stdin.
    pub name: String,
    stream: Box<dyn Read>,
    live: bool,
}

impl Input {
    /// Opens a file, or stdin for `-`. A read that would wait first flushes `out`, so that a live
    /// pipe is never late.
    ///
    /// # Errors
    /// What the system says, without the name; a directory is an error.
    pub fn open(path: &Path, out: &Out) -> io::Result<Input> {
        let name = path.display().to_string();
        if path == Path::new("-") {
            let stream = decompress(Tied::new(io::stdin(), out))?;
            return Ok(Input { name, stream, live: true });
        }
        let file = File::open(path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let stream = match kind.is_file() {
            true => decompress(file)?,
            false => decompress(Tied::new(file, out))?,
        };
        Ok(Input { name, stream, live: !kind.is_file() })
    }

    /// Whether more may be long in coming: all but a regular file.
    pub fn is_live(&self) -> bool {
        self.live
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads in a row that need no flush before them. Who always has more for us must not keep back what
/// others wait for.
const EAGER: u32 = 16;

/// A stream whose reads may wait. Output is flushed before one that will: on a busy pipe a flush
/// before every read would make of a small read a small write.
struct Tied<R> {
    input: R,
    out: Out,
    /// Reads since the last flush.
    eager: u32,
}

impl<R: Read + AsFd> Tied<R> {
    fn new(input: R, out: &Out) -> Tied<R> {
        Tied { input, out: out.clone(), eager: 0 }
    }

    /// Whether a read would wait, as far as the system can tell.
    fn waits(&self) -> bool {
        let mut input = [PollFd::new(self.input.as_fd(), PollFlags::POLLIN)];
        !matches!(poll(&mut input, PollTimeout::ZERO), Ok(1..))
    }
}

impl<R: Read + AsFd> Read for Tied<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.out.is_behind() && (self.eager >= EAGER || self.waits()) {
            self.out.flush()?;
            self.eager = 0;
        }
        self.eager += 1;
        self.input.read(buffer)
    }
}

/// Looks at the first octets and undoes gzip (several members) or zstd (several frames).
///
/// # Errors
/// What the stream says, and a zstd decoder without memory.
pub fn decompress<'a>(mut input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut head = Vec::with_capacity(ZSTD.len());
    input.by_ref().take(ZSTD.len() as u64).read_to_end(&mut head)?;
    let skippable =
        head.split_first().is_some_and(|(n, rest)| n >> 4 == 5 && rest == ZSTD_SKIPPABLE);
    let (gzip, zstd) = (head.starts_with(GZIP), head == ZSTD || skippable);
    let whole = io::Cursor::new(head).chain(input);
    Ok(match (gzip, zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(whole)),
        (_, true) => Box::new(zstd::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(data: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        decompress(io::Cursor::new(data.to_vec()))?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(text.as_bytes()).unwrap();
        to.finish().unwrap()
    }

    #[test]
    fn output_is_flushed_before_a_read_that_would_wait() {
        #[derive(Clone, Default)]
        struct Sink(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);
        impl Write for Sink {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                self.0.borrow_mut().extend_from_slice(data);
                Ok(data.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let sink = Sink::default();
        let seen = || sink.0.borrow().len();
        let mut out = Out::new(sink.clone());
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let (reader, mut writer) = (File::from(reader), File::from(writer));
        let mut tied = Tied::new(reader, &out);
        let mut octet = [0];

        out.write_all(b"a").unwrap();
        assert!(tied.waits());
        writer.write_all(&[7; 100]).unwrap();
        assert!(!tied.waits());
        for _ in 0..EAGER {
            tied.read_exact(&mut octet).unwrap();
            assert_eq!(seen(), 0);
        }
        tied.read_exact(&mut octet).unwrap();
        assert_eq!(seen(), 1);

        out.write_all(b"b").unwrap();
        let rest = 100 - EAGER as usize - 1;
        tied.read_exact(&mut vec![0; rest]).unwrap();
        assert_eq!(seen(), 1);
        assert!(tied.waits());
        // The end is something to read.
        drop(writer);
        assert!(!tied.waits());
    }

    #[test]
    fn compressed_streams_are_read_as_they_are() {
        assert_eq!(plain(b"").unwrap(), "");
        assert_eq!(plain(b"ab").unwrap(), "ab");
        assert_eq!(plain(&[gzip("one "), gzip("two")].concat()).unwrap(), "one two");
        let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert_eq!(plain(&[zstd("one "), zstd("two")].concat()).unwrap(), "one two");
        let skipped =
            [&[0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7], zstd("two").as_slice()].concat();
        assert_eq!(plain(&skipped).unwrap(), "two");
        let torn = gzip("a longer text that is cut");
        assert!(plain(&torn[..torn.len() - 9]).is_err());
    }
}
