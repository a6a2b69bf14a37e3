//! The ways by which a mail leaves: a program such as sendmail, a mail server, or a file.
//!
//! Each attempt is about one mail to one recipient, and says whether it was accepted, refused for good, or has
//! to be made again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::feed::feed;
use super::tables::Relay;
use crate::notice::message::{mbox, unix};
use crate::time::Timestamp;

/// The program, if the configuration names no way.
pub(super) const SENDMAIL: &str = "/usr/sbin/sendmail";

/// The time that sendmail has for one mail.
const LIMIT: Duration = Duration::from_secs(60);

/// The time that a mail server has for each answer, for that to the whole mail, which it may look through first,
/// and for all of them.
const ANSWER: Duration = Duration::from_secs(30);
const FINAL_ANSWER: Duration = Duration::from_secs(300);
const TRANSACTION: Duration = Duration::from_secs(420);

/// The time to wait for a mail reader that has locked the file.
const LOCKED: Duration = Duration::from_secs(5);

/// The most characters that are kept of what a mail server says.
const MAX_SAID: usize = 300;

/// The exit statuses of sendmail that mean that this mail will never be taken (sysexits.h): a fault of the
/// message, a user or a host that does not exist.
const REFUSED: [i32; 3] = [65, 67, 68];

/// A way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A program that is called as `PROGRAM -i -f SENDER -- RECIPIENT` with the message on its standard input.
    Sendmail(PathBuf),
    /// A mail server on this machine or inside the site, by SMTP (RFC 5321) without encryption.
    Relay(Relay),
    /// A file in the form mboxrd.
    Mbox(PathBuf),
}

/// A mail as it is handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel<'a> {
    /// The return path; empty for the null one.
    pub sender: &'a str,
    /// The recipient.
    pub recipient: &'a str,
    /// The message, with lines that end in CRLF.
    pub text: &'a str,
    /// The time, in Unix seconds.
    pub now: u64,
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The mail was taken; whoever took it is responsible for it now.
    Accepted,
    /// The mail will never be taken.
    Refused(String),
    /// The mail was not taken this time.
    Delayed(String),
    /// The whole mail was handed over, and no answer came.
    Unsure(String),
    /// No mail can be handed over now.
    Down(String),
}

impl Way {
    /// Hands a mail over. `inside` are the networks of the site, in which a mail server may be.
    pub(super) fn hand_over(&self, parcel: &Parcel<'_>, inside: &[IpNet]) -> Attempt {
        match self {
            Way::Sendmail(program) => sendmail(program, parcel),
            Way::Relay(relay) => by_relay(relay, parcel, inside),
            Way::Mbox(path) => append(path, parcel).map_or_else(
                |error| Attempt::Down(format!("{}: {error}", path.display())),
                |()| Attempt::Accepted,
            ),
        }
    }

    /// Checks what can be seen of the way without a mail.
    ///
    /// # Errors
    /// The reason why no mail can leave by it.
    pub fn check(&self, inside: &[IpNet]) -> Result<(), String> {
        match self {
            Way::Sendmail(path) => {
                let named = |why: &str| Err(format!("{}: {why}", path.display()));
                match fs::metadata(path) {
                    Ok(found) if !found.is_file() => named("not a program"),
                    Ok(found) if found.permissions().mode() & 0o111 == 0 => named("not executable"),
                    Ok(_) => Ok(()),
                    Err(error) => named(&error.to_string()),
                }
            }
            Way::Relay(relay) => {
                resolve(relay, inside).map(drop).map_err(|why| format!("{}: {why}", self.name()))
            }
            Way::Mbox(path) => {
                let named = |why: &str| Err(format!("{}: {why}", path.display()));
                let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
                if !dir.unwrap_or(Path::new(".")).is_dir() {
                    return named("its directory does not exist");
                }
                match fs::symlink_metadata(path) {
                    Ok(found) if !found.is_file() => named("not a regular file"),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Returns the way in words: the program, the mail server or the file.
    pub fn name(&self) -> String {
        match self {
            Way::Sendmail(path) | Way::Mbox(path) => path.display().to_string(),
            Way::Relay(Relay { host, port }) if host.contains(':') => format!("[{host}]:{port}"),
            Way::Relay(Relay { host, port }) => format!("{host}:{port}"),
        }
    }
}

fn sendmail(program: &Path, parcel: &Parcel<'_>) -> Attempt {
    let Some(program) = program.to_str() else {
        return Attempt::Down(format!("{}: the name must be UTF-8", program.display()));
    };
    // Without -i a line of one full stop would end the message. An empty argument is the null return path.
    let argv = [program, "-i", "-f", parcel.sender, "--", parcel.recipient].map(str::to_owned);
    match feed(&argv, &unix(parcel.text.as_bytes()), LIMIT) {
        Ok(()) => Attempt::Accepted,
        Err(not_taken) => match not_taken.code {
            Some(code) if REFUSED.contains(&code) => Attempt::Refused(shown(&not_taken.why)),
            // Any other fault would meet the next mail too: one of the program, or of its queue.
            _ => Attempt::Down(shown(&not_taken.why)),
        },
    }
}

/// Hands a mail to a server, and gives up waiting for one that lets each answer take as long as it may.
fn by_relay(relay: &Relay, parcel: &Parcel<'_>, inside: &[IpNet]) -> Attempt {
    let name = Way::Relay(relay.clone()).name();
    let servers = match resolve(relay, inside) {
        Ok(servers) => servers,
        Err(why) => return Attempt::Down(format!("{name}: {why}")),
    };
    let (sender, recipient) = (parcel.sender.to_owned(), parcel.recipient.to_owned());
    let text = parcel.text.to_owned();
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || {
        let told = |attempt| _ = done.send(attempt);
        transact(&servers, &sender, &recipient, text.as_bytes(), told);
    });
    let late = format!("no end within {}", humantime::format_duration(TRANSACTION));
    let outcome = outcome.recv_timeout(TRANSACTION).unwrap_or(Attempt::Down(late));
    let named = |why: String| format!("{name}: {}", shown(&why));
    match outcome {
        Attempt::Accepted => Attempt::Accepted,
        Attempt::Refused(why) => Attempt::Refused(named(why)),
        Attempt::Delayed(why) => Attempt::Delayed(named(why)),
        Attempt::Unsure(why) => Attempt::Unsure(named(why)),
        Attempt::Down(why) => Attempt::Down(named(why)),
    }
}

/// Returns the addresses of a mail server, which must all be of this machine or inside: mails tell of broken-into
/// machines, and are not encrypted.
fn resolve(relay: &Relay, inside: &[IpNet]) -> Result<Vec<SocketAddr>, String> {
    let found = (relay.host.as_str(), relay.port).to_socket_addrs();
    let all: Vec<SocketAddr> = found.map_err(|error| error.to_string())?.collect();
    if let Some(outside) = all.iter().find(|address| !is_near(address.ip(), inside)) {
        return Err(format!(
            "{} is not inside, and mails are not encrypted; name a relay on this machine or in [site] inside",
            outside.ip()
        ));
    }
    if all.is_empty() { Err("has no address".to_owned()) } else { Ok(all) }
}

fn is_near(address: IpAddr, inside: &[IpNet]) -> bool {
    let address = address.to_canonical();
    let is_private = match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    address.is_loopback() || is_private || inside.iter().any(|net| net.contains(&address))
}

/// Takes one mail through a session of its own (RFC 5321 section 3.3), and gives the outcome to `told` before the
/// session is closed. Only what the server says to the recipient and to the message is about this mail; before
/// that, all mails would fare the same.
fn transact(
    servers: &[SocketAddr],
    sender: &str,
    recipient: &str,
    text: &[u8],
    told: impl FnOnce(Attempt),
) {
    let hello = ClientId::Domain("localhost".to_owned());
    // The server is near, and asks nobody for the name. Of several addresses one may take no mail.
    match SmtpConnection::connect(servers, Some(ANSWER), &hello, None, None) {
        Ok(mut session) => {
            told(converse(&mut session, sender, recipient, text));
            session.abort();
        }
        Err(error) => told(Attempt::Down(reason(&error))),
    }
}

/// Hands one mail over in a session that has begun.
fn converse(session: &mut SmtpConnection, sender: &str, recipient: &str, text: &[u8]) -> Attempt {
    let of_mail = |error: SmtpError| {
        let why = reason(&error);
        match error {
            error if error.is_permanent() => Attempt::Refused(why),
            error if error.is_transient() => Attempt::Delayed(why),
            _ => Attempt::Down(why),
        }
    };
    let Ok(to) = recipient.parse::<Address>() else {
        return Attempt::Refused("not an address".to_owned());
    };
    let from = match sender {
        "" => None,
        sender => match sender.parse::<Address>() {
            Ok(from) => Some(from),
            Err(error) => return Attempt::Down(error.to_string()),
        },
    };
    let mut parameters = Vec::new();
    if !text.is_ascii() {
        if !session.server_info().supports_feature(Extension::EightBitMime) {
            return Attempt::Delayed("does not take 8-bit text (8BITMIME, RFC 6152)".to_owned());
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    if let Err(error) = session.command(Mail::new(from, parameters)) {
        return Attempt::Down(reason(&error));
    }
    let is_asked = session.command(Rcpt::new(to, Vec::new())).and_then(|_| session.command(Data));
    if let Err(error) = is_asked {
        return of_mail(error);
    }
    // The server may look through the mail for minutes before it answers (RFC 5321 section 4.5.3.2.6).
    if let Err(error) = session.set_timeout(Some(FINAL_ANSWER)) {
        return Attempt::Down(error.to_string());
    }
    match session.message(text) {
        Ok(_) => Attempt::Accepted,
        Err(error) if error.is_permanent() || error.is_transient() => of_mail(error),
        Err(error) => Attempt::Unsure(reason(&error)),
    }
}

/// Returns an error with its causes.
fn reason(error: &SmtpError) -> String {
    let of_io =
        std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    if of_io.is_some_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
        return "no answer in time".to_owned();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Returns what a program or server said in one line of bounded length.
fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MAX_SAID).collect()
}

/// Appends a mail to a file, all of it or nothing, and waits for the disk.
fn append(path: &Path, parcel: &Parcel<'_>) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            return Err(io::Error::other(
                "not a regular file; name one that mails are appended to",
            ));
        }
        _ => {}
    }
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut file = locked(file)?;
    let sender = if parcel.sender.is_empty() { "MAILER-DAEMON" } else { parcel.sender };
    let mut entry = mbox(parcel.text.as_bytes(), sender, Timestamp::from_secs(parcel.now));
    let length = file.seek(SeekFrom::End(0))?;
    // A process that died while it wrote has left a line without its end.
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last != [b'\n'] {
        entry.splice(0..0, *b"\n\n");
    }
    let written = file.write_all(&entry).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a mail would swallow the next one.
        _ = file.set_len(length);
    }
    written
}

/// Locks a file as mail readers do.
#[expect(clippy::disallowed_methods, reason = "the time that is waited")]
fn locked(mut file: File) -> io::Result<Flock<File>> {
    let began = Instant::now();
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((given_back, Errno::EWOULDBLOCK | Errno::EINTR)) if began.elapsed() < LOCKED => {
                file = given_back;
                thread::sleep(Duration::from_millis(50));
            }
            Err((_, Errno::EWOULDBLOCK)) => {
                return Err(io::Error::other("another program has locked the file"));
            }
            Err((_, errno)) => return Err(io::Error::from(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel<'a>(sender: &'a str, text: &'a str) -> Parcel<'a> {
        Parcel { sender, recipient: "ann@example.org", text, now: 993_946_800 }
    }

    #[test]
    fn a_program_gets_the_envelope_and_the_message() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("sendmail");
        let script = |body: &str| {
            let text = format!("#!/bin/sh\ncd {}\n{body}\n", dir.path().display());
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o755)
                .open(&program);
            file.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        };
        let way = Way::Sendmail(program.clone());
        script("printf '%s|' \"$@\" >args; cat >message");
        let text = "Subject: x\r\n\r\n.\r\nFrom here\r\n";
        assert_eq!(way.hand_over(&parcel("n+b-1@x.org", text), &[]), Attempt::Accepted);
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("args"), "-i|-f|n+b-1@x.org|--|ann@example.org|");
        assert_eq!(read("message"), "Subject: x\n\n.\nFrom here\n");
        assert_eq!(way.hand_over(&parcel("", text), &[]), Attempt::Accepted);
        assert_eq!(read("args"), "-i|-f||--|ann@example.org|");
        for (code, is_refused) in
            [(67, true), (68, true), (65, true), (75, false), (69, false), (1, false)]
        {
            script(&format!("cat >message; echo no  luck >&2; exit {code}"));
            let name = program.display();
            let why = format!("{name}: exit status: {code}: no luck");
            let expected = if is_refused { Attempt::Refused(why) } else { Attempt::Down(why) };
            assert_eq!(way.hand_over(&parcel("", text), &[]), expected);
        }
        let gone = Way::Sendmail(dir.path().join("gone")).hand_over(&parcel("", text), &[]);
        assert!(matches!(&gone, Attempt::Down(why) if why.ends_with("(os error 2)")), "{gone:?}");
    }

    #[test]
    fn a_file_gets_whole_mails_one_behind_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let way = Way::Mbox(path.clone());
        let text = "Subject: x\r\n\r\nFrom here\r\n";
        assert_eq!(way.hand_over(&parcel("a@x.org", text), &[]), Attempt::Accepted);
        assert_eq!(way.hand_over(&parcel("", text), &[]), Attempt::Accepted);
        let date = "Sun Jul  1 00:20:00 2001";
        let body = "Subject: x\n\n>From here\n\n";
        let expected = format!("From a@x.org {date}\n{body}From MAILER-DAEMON {date}\n{body}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        // Half a mail of a process that died, and a reader who keeps the file.
        std::fs::write(&path, "From a@x.org x\nSubject: ha").unwrap();
        assert_eq!(way.hand_over(&parcel("", text), &[]), Attempt::Accepted);
        let expected = format!("From a@x.org x\nSubject: ha\n\nFrom MAILER-DAEMON {date}\n{body}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        let reader = Flock::lock(File::open(&path).unwrap(), FlockArg::LockExclusive).unwrap();
        let attempt = way.hand_over(&parcel("", text), &[]);
        let is_locked = |why: &str| why.ends_with("another program has locked the file");
        assert!(matches!(&attempt, Attempt::Down(why) if is_locked(why)), "{attempt:?}");
        drop(reader);
        for bad in [dir.path(), Path::new("/dev/full"), &dir.path().join("no/out")] {
            let attempt = Way::Mbox(bad.to_owned()).hand_over(&parcel("", text), &[]);
            assert!(matches!(attempt, Attempt::Down(_)), "{attempt:?}");
        }
    }

    #[test]
    fn ways_that_cannot_work_are_seen_beforehand() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let relay = |host: &str| Way::Relay(Relay { host: host.to_owned(), port: 25 });
        for good in [
            Way::Sendmail("/bin/sh".into()),
            Way::Mbox(file.clone()),
            Way::Mbox(dir.path().join("new")),
            relay("127.0.0.1"),
        ] {
            assert_eq!(good.check(&[]), Ok(()), "{good:?}");
        }
        for (bad, why) in [
            (Way::Sendmail(dir.path().join("gone")), "No such file"),
            (Way::Sendmail(file), "not executable"),
            (Way::Sendmail(dir.path().to_owned()), "not a program"),
            (Way::Mbox(dir.path().to_owned()), "not a regular file"),
            (Way::Mbox(dir.path().join("no/file")), "its directory does not exist"),
            (relay("192.0.2.1"), "192.0.2.1 is not inside"),
        ] {
            let told = bad.check(&[]).unwrap_err();
            assert!(told.contains(why), "{bad:?}: {told}");
        }
    }

    #[test]
    fn only_near_mail_servers_are_used() {
        let inside = ["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        for (address, expected) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.1.2.3", true),
            ("fd00::1", true),
            ("192.0.2.9", true),
            ("2001:db8:1::9", true),
            ("198.51.100.1", false),
            ("2001:db9::1", false),
            ("::ffff:198.51.100.1", false),
        ] {
            assert_eq!(is_near(address.parse().unwrap(), &inside), expected, "{address}");
        }
        let relay = Relay { host: "198.51.100.1".to_owned(), port: 25 };
        let attempt = Way::Relay(relay).hand_over(&parcel("", "\r\n"), &inside);
        let expected = "198.51.100.1:25: 198.51.100.1 is not inside, and mails are not encrypted; name a relay \
                        on this machine or in [site] inside";
        assert_eq!(attempt, Attempt::Down(expected.to_owned()));
    }
}
