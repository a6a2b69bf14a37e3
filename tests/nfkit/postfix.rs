//! A real mail server for one test: Debian's Postfix, the real `/usr/sbin/sendmail`, mailboxes, and an
//! alias whose command gets replies and bounces.
//!
//! Postfix runs in namespaces that `tests/lab/postfix` sets up: its configuration, queue, log and users
//! lie at their usual places, and only there. The other ways were worse. `sendmail -C` and instances
//! of `postmulti` need the machine's own `main.cf` to name their directories
//! (`alternate_config_directories`), because `postdrop` is setgid and believes no user, and all
//! instances share the machine's users and ports. A Postfix built to run without privileges would not
//! be the one whose traps are tested.
//!
//! The domain is `site.test`. `noc` and `admin` have Maildirs; the mailbox of `full` is larger than it may
//! be; `slow` is behind a server that does not answer; `away` is on vacation; mail for `nfkit`, with any
//! extension, goes to the alias's command.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::harness::{LIMIT, Run, Scene, installed, package, skipped};
use super::nfcap::faults::is_root;

mod limits;
mod notices;
mod reports;
mod sendmail;

/// The command of the alias: keeps the mail, the environment and the limits that it was given, and
/// ends with the status of `/srv/status`.
const KEEP: &str = r#"#!/bin/sh
new=$(mktemp -d /home/nfkit/new.XXXXXX)
tr '\0' '\n' <"/proc/$$/environ" >"$new/environment"
{ id -un; id -Gn; umask; ulimit -f; pwd; } >"$new/process"
cat >"$new/mail"
mv "$new" "/home/nfkit/received/$(date +%s%N)"
read -r status </srv/status
exit "$status"
"#;

/// The path of commands under systemd and cron.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A Postfix that runs until the value is dropped. Nothing of it is left then. If the test is killed, its
/// files in the temporary directory are.
pub struct Postfix {
    scene: Scene,
    lab: Child,
    /// The process id of the first process in the namespaces.
    pid: String,
}

/// A mail that came through the alias.
#[derive(Clone, Debug)]
pub struct Received {
    /// The mail as the command read it, with the `From ` line before it.
    pub mail: String,
    pub environment: BTreeMap<String, String>,
    /// The user, the groups, the umask, the largest file in blocks of 512 bytes, and the directory.
    pub process: Vec<String>,
}

/// A mail in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// `maildrop` until Postfix has picked the mail up.
    pub queue: String,
    pub sender: String,
    pub recipients: Vec<String>,
    /// The reason why the first recipient has not got it, empty before the first try.
    pub reason: String,
}

impl Postfix {
    /// Starts Postfix, whose alias keeps what it gets. Returns `None`, and reports a skipped test,
    /// without root, Postfix or a program that the lab needs.
    pub fn start() -> Option<Postfix> {
        if !is_root() {
            skipped("namespaces for postfix need root");
            return None;
        }
        if !Path::new("/usr/sbin/postfix").is_file() {
            skipped("no postfix");
            return None;
        }
        let parts = ["unshare", "nsenter", "setpriv", "ip"];
        if parts.iter().any(|part| installed(part).is_none()) {
            return None;
        }
        let scene = Scene::new();
        let mut lab = Command::new("unshare")
            .args(["--kill-child", "-m", "-n", "-u", "-i", "-p", "-f", "sh"])
            .arg(package("tests/lab/postfix"))
            .arg(scene.dir())
            .arg(Path::new(env!("CARGO_BIN_EXE_nfnotify")).parent().unwrap())
            .env("PATH", PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(scene.path("said")).unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(lab.stdout.take().unwrap()).lines();
        let lines: Vec<String> = lines.map_while(Result::ok).take(2).collect();
        let pid = lines.first().cloned().unwrap_or_default();
        let postfix = Postfix { scene, lab, pid };
        let is_ready = lines.last().is_some_and(|line| line == "ready");
        assert!(is_ready, "tests/lab/postfix: {}\n{}", postfix.scene.text("said"), postfix.log());
        let received = postfix.path("/home/nfkit/received");
        fs::create_dir(&received).unwrap();
        fs::set_permissions(&received, Permissions::from_mode(0o777)).unwrap();
        postfix.write("/srv/receive", KEEP);
        postfix.end_with(0);
        Some(postfix)
    }

    /// Stops Postfix. `sendmail` goes on taking mails.
    pub fn stop(&self) {
        self.command("root", "postfix").arg("stop").run().status(0);
    }

    /// Starts Postfix again.
    pub fn resume(&self) {
        self.command("root", "postfix").arg("start").run().status(0);
    }

    /// Changes a parameter of `main.cf`, in force at once.
    pub fn set(&self, parameter: &str, value: &str) {
        self.command("root", "postconf").args(["-e", &format!("{parameter}={value}")]).run().ok();
        // Postfix waits with a file of settings until it is two seconds old.
        let touch = ["-d", "10 seconds ago", "/etc/postfix/main.cf"];
        self.command("root", "touch").args(touch).run().ok();
        self.command("root", "postfix").arg("reload").run().status(0);
    }

    /// Prepares a run of a program in the namespaces, by one of their users. The kit's commands are found
    /// there by their names. If the run takes too long and is killed, so is the program.
    pub fn command(&self, user: &str, program: &str) -> Run {
        // -r, because the tests may run in a chroot, which -m alone would leave.
        let enter = ["-t", &self.pid, "-m", "-n", "-u", "-i", "-p", "-r", "-w", "--"];
        let become_user = ["--reuid", user, "--regid", user, "--init-groups"];
        let run = installed("nsenter").unwrap().args(enter).arg("setpriv").args(become_user);
        run.args(["--pdeathsig", "KILL", "--", program]).env("PATH", PATH)
    }

    /// Prepares a run of `sendmail` by the user nfkit as nfnotify calls it.
    pub fn sendmail(&self, return_path: &str, recipient: &str) -> Run {
        let run = self.command("nfkit", "/usr/sbin/sendmail");
        run.args(["-i", "-f", return_path, "--", recipient])
    }

    /// Returns the path outside of the namespaces of a private file, such as `/srv/receive`.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.scene.dir().join("root").join(inside.trim_start_matches('/'))
    }

    /// Writes a private file that everybody may read and run. It is replaced whole, as the alias's command may
    /// be run at any moment, and an empty script would succeed.
    pub fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// Gives the alias another command, such as `/usr/local/bin/nfnotify receive`.
    pub fn alias(&self, command: &str) {
        let aliases = self.path("/srv/mail/aliases");
        fs::write(aliases, format!("nfkit: \"|{command}\"\n")).unwrap();
        self.command("root", "newaliases").run().ok();
        // Two changes in a second look like one to local(8).
        self.command("root", "postfix").arg("reload").run().status(0);
    }

    /// Sets the exit status of the alias's command, as long as it is the script `/srv/receive`.
    pub fn end_with(&self, status: u8) {
        self.write("/srv/status", &format!("{status}\n"));
    }

    /// Waits until a user has at least `count` mails, and returns all, the oldest first.
    #[track_caller]
    pub fn maildir(&self, user: &str, count: usize) -> Vec<Vec<u8>> {
        let dir = self.path(&format!("/home/{user}/Maildir/new"));
        let files = self.wait(&format!("{count} mails for {user}"), || {
            let mut files = entries(&dir);
            files.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
            (files.len() >= count).then_some(files)
        });
        files.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// Waits until the alias's command has kept at least `count` mails, and returns all, the oldest first.
    #[track_caller]
    pub fn received(&self, count: usize) -> Vec<Received> {
        let dir = self.path("/home/nfkit/received");
        let kept = self.wait(&format!("{count} mails through the alias"), || {
            let kept = entries(&dir);
            (kept.len() >= count).then_some(kept)
        });
        let read = |kept: &PathBuf| {
            let text = |name: &str| fs::read_to_string(kept.join(name)).unwrap();
            let pairs = text("environment");
            let pairs = pairs.lines().filter_map(|line| line.split_once('='));
            Received {
                mail: text("mail"),
                environment: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
                process: text("process").lines().map(str::to_owned).collect(),
            }
        };
        kept.iter().map(read).collect()
    }

    /// Returns the mails in the queue, also while Postfix is stopped.
    pub fn queue(&self) -> Vec<Queued> {
        let ran = self.command("root", "postqueue").arg("-j").run().status(0);
        let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let queued = |line: &str| {
            let mail: serde_json::Value = serde_json::from_str(line).unwrap();
            // There are none while Postfix moves the mail from one queue to another.
            let recipients = mail["recipients"].as_array().unwrap();
            Queued {
                queue: word(&mail["queue_name"]),
                sender: word(&mail["sender"]),
                recipients: recipients.iter().map(|one| word(&one["address"])).collect(),
                reason: recipients
                    .first()
                    .map(|one| word(&one["delay_reason"]))
                    .unwrap_or_default(),
            }
        };
        ran.text().lines().map(queued).collect()
    }

    /// Waits until a mail has to wait for another try, and returns it.
    #[track_caller]
    pub fn deferred(&self) -> Queued {
        self.wait("a deferred mail", || {
            self.queue().into_iter().find(|queued| !queued.reason.is_empty())
        })
    }

    /// Waits until the queue is empty: each mail has been delivered, bounced or lost.
    #[track_caller]
    pub fn settle(&self) {
        self.wait("an empty queue", || self.queue().is_empty().then_some(()));
    }

    /// Returns what Postfix has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("/var/log/mail.log")).unwrap_or_default()
    }

    /// Polls until `look` returns a value. Panics with the end of the log after [`LIMIT`].
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if began.elapsed() >= LIMIT {
                let log = self.log();
                let lines: Vec<&str> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(30)..].join("\n");
                panic!("waited {LIMIT:?} for {what}\n{last}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postfix {
    /// Ends the lab's shell by its input, and waits until the kernel has killed all that ran beside it.
    fn drop(&mut self) {
        drop(self.lab.stdin.take());
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if let Ok(Some(_)) = self.lab.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        _ = self.lab.kill();
        _ = self.lab.wait();
    }
}

/// Returns the paths in a directory in the order of their names, none if there is no such directory.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Returns a mail with a subject and a body of one line.
fn mail(subject: &str) -> String {
    format!("From: nfkit@site.test\nTo: admin@site.test\nSubject: {subject}\n\nHello.\n")
}

/// Returns true if a process runs in the namespace of mounts that `/proc` gives this name.
fn is_alive(namespace: &Path) -> bool {
    let links = entries(Path::new("/proc")).into_iter().map(|process| process.join("ns/mnt"));
    links.filter_map(|link| fs::read_link(link).ok()).any(|link| link == namespace)
}

#[test]
fn nothing_is_left_of_a_postfix_also_after_a_panic() {
    let Some(postfix) = Postfix::start() else { return };
    let namespace = fs::read_link(format!("/proc/{}/ns/mnt", postfix.pid)).unwrap();
    let dir = postfix.scene.dir().to_owned();
    // A command that would run on, and a mail that waits in the queue.
    postfix.write("/srv/receive", "#!/bin/sh\nexec sleep 1000\n");
    postfix.sendmail("", "nfkit@site.test").stdin(mail("to sleep")).run().ok();
    postfix.sendmail("", "slow@site.test").stdin(mail("to wait")).run().ok();
    postfix.wait("the command", || {
        let ran = postfix.command("root", "ps").args(["-C", "sleep", "-o", "user="]).run();
        ran.text().contains("nfkit").then_some(())
    });
    assert!(is_alive(&namespace) && dir.is_dir());
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _postfix = postfix;
        panic!("as a failed test does");
    }));
    assert!(ended.is_err());
    assert!(!is_alive(&namespace) && !dir.exists());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(dir.to_str().unwrap()), "{mounts}");
}
