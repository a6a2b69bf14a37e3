//! Standard output: buffered, shared with the inputs that flush it before they wait, and honest
//! about how it ended.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;

/// What a Linux pipe holds.
const BUFFER: usize = 64 * 1024;

/// So much at once is not copied but written as it is, behind what was gathered.
const LARGE: usize = BUFFER / 2;

/// A handle on standard output. All clones write to one buffer.
#[derive(Clone)]
pub struct Out(Rc<RefCell<Stream>>);

struct Stream {
    to: Box<dyn Write>,
    /// What is not written yet, at most [`BUFFER`]: whole pieces as they were handed over, so that
    /// a line handed over whole is written whole.
    behind: Vec<u8>,
    /// Something was written since the last flush: std's stdout keeps what follows a newline.
    touched: bool,
    closed: bool,
    /// What went wrong first. It stays so: there may be a hole in the output.
    failed: Option<io::ErrorKind>,
    vital: bool,
}

impl Stream {
    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.touched = true;
        if self.behind.len() + data.len() > BUFFER || data.len() >= LARGE {
            self.pass_on()?;
        }
        if data.len() >= LARGE {
            return self.to.write_all(data);
        }
        self.behind.extend_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()?;
        self.touched = false;
        self.to.flush()
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if self.behind.is_empty() {
            return Ok(());
        }
        let result = self.to.write_all(&self.behind);
        self.behind.clear();
        result
    }
}

impl Out {
    /// Buffers `to`.
    pub fn new(to: impl Write + 'static) -> Out {
        Out(Rc::new(RefCell::new(Stream {
            to: Box::new(to),
            behind: Vec::with_capacity(BUFFER),
            touched: false,
            closed: false,
            failed: None,
            vital: false,
        })))
    }

    /// Whether the reader of this stream went away: the end of `| head -1`, and no error. Never so
    /// for a [`vital`](Out::vital) stream.
    pub fn is_closed(&self) -> bool {
        self.0.borrow().closed
    }

    /// Makes a closed pipe an error like any other: a collector that stops is news.
    pub fn vital(&self) {
        self.0.borrow_mut().vital = true;
    }

    /// Whether something could not be written: then there is nothing left to work for. An input
    /// that flushed this stream passes its error on as one of its own.
    pub fn has_failed(&self) -> bool {
        self.0.borrow().failed.is_some()
    }

    /// Whether a flush has anything to do.
    pub(super) fn is_behind(&self) -> bool {
        let stream = self.0.borrow();
        stream.failed.is_some() || stream.touched
    }

    fn attempt(&self, action: impl FnOnce(&mut Stream) -> io::Result<()>) -> io::Result<()> {
        let stream = &mut *self.0.borrow_mut();
        let result = match stream.failed {
            Some(kind) => Err(kind.into()),
            None => action(stream),
        };
        result.map_err(|error| {
            stream.failed.get_or_insert(error.kind());
            stream.closed |= error.kind() == io::ErrorKind::BrokenPipe && !stream.vital;
            io::Error::new(error.kind(), format!("stdout: {error}"))
        })
    }
}

/// Data is taken whole or not at all.
impl Write for Out {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_all(data).map(|()| data.len())
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.attempt(|stream| stream.write(data))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(Stream::flush)
    }
}

impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Out")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_remembered_whoever_swallows_the_error() {
        let out = Out::new(Closed);
        let mut csv = csv::Writer::from_writer(out.clone());
        csv.write_record(["a", "b"]).unwrap();
        let error = csv.flush().unwrap_err();
        assert!(error.to_string().starts_with("stdout: "), "{error}");
        assert!(out.is_closed());

        let out = Out::new(Closed);
        out.vital();
        out.clone().write_all(b"a").unwrap();
        assert!(out.clone().flush().is_err());
        assert!(!out.is_closed());
    }

    /// Keeps every write by itself.
    #[derive(Clone, Default)]
    struct Writes(Rc<RefCell<Vec<Vec<u8>>>>);

    impl Write for Writes {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().push(data.to_vec());
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn pieces_stay_whole_and_large_ones_go_on_at_once() {
        let writes = Writes::default();
        let mut out = Out::new(writes.clone());
        let lens = || writes.0.borrow().iter().map(Vec::len).collect::<Vec<_>>();
        for _ in 0..7 {
            out.write_all(&[b'a'; 10_000]).unwrap();
        }
        assert_eq!(lens(), [60_000]);
        out.write_all(&[b'b'; LARGE]).unwrap();
        assert_eq!(lens(), [60_000, 10_000, LARGE]);
        out.flush().unwrap();
        assert!(!out.is_behind());
        out.write_all(b"c").unwrap();
        assert!(out.is_behind());
        out.flush().unwrap();
        assert_eq!(lens(), [60_000, 10_000, LARGE, 1]);
    }

    #[test]
    fn what_failed_once_has_failed() {
        struct Once(bool);
        impl Write for Once {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                match std::mem::replace(&mut self.0, true) {
                    true => Ok(data.len()),
                    false => Err(io::ErrorKind::StorageFull.into()),
                }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = Out::new(Once(false));
        out.write_all(b"a").unwrap();
        for _ in 0..2 {
            let error = out.flush().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert!(out.is_behind() && out.has_failed() && !out.is_closed());
        }
        assert!(out.write_all(b"b").is_err());
    }
}
