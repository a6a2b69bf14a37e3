//! Standard output: buffered, shared with the inputs that flush it before they wait, and honest
//! about how it ended.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::rc::Rc;

/// Half of what a Linux pipe holds: one write while the reader works on the other half.
const BUFFER: usize = 32 * 1024;

/// A handle on standard output. All clones write to one buffer.
#[derive(Clone)]
pub struct Out(Rc<RefCell<Stream>>);

struct Stream {
    to: BufWriter<Box<dyn Write>>,
    closed: bool,
    failed: bool,
    vital: bool,
}

impl Out {
    /// Buffers `to`.
    pub fn new(to: impl Write + 'static) -> Out {
        let to = BufWriter::with_capacity(BUFFER, Box::new(to) as Box<dyn Write>);
        Out(Rc::new(RefCell::new(Stream { to, closed: false, failed: false, vital: false })))
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
        self.0.borrow().failed
    }

    fn attempt<T>(
        &self,
        action: impl FnOnce(&mut BufWriter<Box<dyn Write>>) -> io::Result<T>,
    ) -> io::Result<T> {
        let stream = &mut *self.0.borrow_mut();
        action(&mut stream.to).map_err(|error| {
            stream.failed = true;
            stream.closed |= error.kind() == io::ErrorKind::BrokenPipe && !stream.vital;
            io::Error::new(error.kind(), format!("stdout: {error}"))
        })
    }
}

impl Write for Out {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.attempt(|to| to.write(data))
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.attempt(|to| to.write_all(data))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(|to| to.flush())
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
}
