//! Inputs: files and stdin, compressed or not, as plain streams.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Out;

/// Magic number of gzip (RFC 1952 section 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Magic number of a zstd frame (RFC 8878 section 3.1.1).
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Magic number of a skippable frame (RFC 8878 section 3.1.2) without its first byte, 0x50 to 0x5f.
/// Parallel compressors begin with one.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];

/// An open input, decompressed, with its name for messages.
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
    /// The system's error, without the name. A directory is an error.
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
        let stream =
            if kind.is_file() { decompress(file)? } else { decompress(Tied::new(file, out))? };
        Ok(Input { name, stream, live: !kind.is_file() })
    }

    /// Returns true if a read may have to wait long: for all inputs but regular files.
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

/// Consecutive reads that need no flush before them. An input that always has more data must not
/// hold back output that others wait for.
const EAGER: u32 = 16;

/// A stream whose reads may wait. The output is flushed only before a read that will wait: on a
/// busy pipe a flush before every small read would make small writes.
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

    /// Returns true if a read would wait, as far as the system can tell.
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

/// Returns the stream decompressed, if its first bytes are those of gzip (of one or more members)
/// or zstd (of one or more frames).
///
/// # Errors
/// An error of the stream, or too little memory for zstd.
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
        let mut byte = [0];

        out.write_all(b"a").unwrap();
        assert!(tied.waits());
        writer.write_all(&[7; 100]).unwrap();
        assert!(!tied.waits());
        for _ in 0..EAGER {
            tied.read_exact(&mut byte).unwrap();
            assert_eq!(seen(), 0);
        }
        tied.read_exact(&mut byte).unwrap();
        assert_eq!(seen(), 1);

        out.write_all(b"b").unwrap();
        let rest = 100 - EAGER as usize - 1;
        tied.read_exact(&mut vec![0; rest]).unwrap();
        assert_eq!(seen(), 1);
        assert!(tied.waits());
        // At the end of the pipe a read does not wait.
        drop(writer);
        assert!(!tied.waits());
    }

    #[test]
    fn streams_are_decompressed_by_their_first_bytes() {
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
