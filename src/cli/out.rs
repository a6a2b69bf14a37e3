//! Standard output: buffered, flushed by inputs before they wait, and with a memory of its
//! failures.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;

/// Bytes that a Linux pipe holds.
const BUFFER: usize = 64 * 1024;

/// Bytes from which on a piece is not copied into the buffer but written by itself.
const LARGE: usize = BUFFER / 2;

/// A handle on standard output. All clones write to one buffer.
#[derive(Clone)]
pub struct Out(Rc<RefCell<Stream>>);

struct Stream {
    to: Box<dyn Write>,
    /// Data that is not written yet, at most [`BUFFER`]. Pieces stay whole, so a line that comes in
    /// one piece is written in one write.
    behind: Vec<u8>,
    /// Data was written since the last flush. std's stdout may keep the part behind a newline.
    touched: bool,
    closed: bool,
    /// The first error. It is permanent, because the output may have a hole.
    failed: Option<io::ErrorKind>,
    /// A closed pipe is an error.
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
    /// Returns a buffered stream to `to`.
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

    /// Returns true if the reader of this stream went away, as `| head -1` does; that is no error.
    /// Returns false for a [`vital`](Out::vital) stream.
    pub fn is_closed(&self) -> bool {
        self.0.borrow().closed
    }

    /// Makes a closed pipe an error like any other, as for a collector, whose end must be noticed.
    pub fn vital(&self) {
        self.0.borrow_mut().vital = true;
    }

    /// Returns true if data could not be written, so that the command need not continue. An input
    /// that flushes this stream returns such an error as one of its own.
    pub fn has_failed(&self) -> bool {
        self.0.borrow().failed.is_some()
    }

    /// Returns true if there is something to flush.
    pub(super) fn is_behind(&self) -> bool {
        let stream = self.0.borrow();
        stream.failed.is_some() || stream.touched
    }

    /// Runs an action unless the stream has failed, and keeps its error.
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

/// Writes data whole or not at all.
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
    fn a_closed_pipe_is_remembered_if_its_error_is_lost() {
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

    /// A stream that keeps its writes apart.
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
    fn pieces_stay_whole_and_large_ones_are_written_at_once() {
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
    fn a_failure_is_permanent() {
        struct Once(bool);
        impl Write for Once {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    Ok(data.len())
                } else {
                    Err(io::ErrorKind::StorageFull.into())
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
