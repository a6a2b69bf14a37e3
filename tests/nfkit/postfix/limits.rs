//! The limits of `nf-every10.service`, under which `--then` runs nfnotify and nfnotify runs `sendmail`.
//!
//! `sendmail` hands a mail to `postdrop`, which writes into the queue with the rights of its group. A
//! process that may gain no privileges runs `postdrop` without them. `scripts/test-units` has the same
//! mail sent by the unit itself, under systemd.

use super::{Postfix, mail};
use crate::harness::{Run, package};

/// Directives that set no_new_privs for a unit whose user is not root: systemd.exec(5) of systemd 252
/// and 257, at NoNewPrivileges.
const IMPLY_NO_NEW_PRIVS: [&str; 17] = [
    "NoNewPrivileges",
    "SystemCallFilter",
    "SystemCallLog",
    "SystemCallArchitectures",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "PrivateDevices",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "ProtectClock",
    "ProtectHostname",
    "MemoryDenyWriteExecute",
    "LockPersonality",
    "DynamicUser",
];

/// The directives of the unit that may matter to a program that it runs, as [`IMITATED`] has them.
const LIMITS: [&str; 8] = [
    "UMask=0027",
    "Nice=10",
    "IOSchedulingClass=idle",
    "MemoryMax=50%",
    "ProtectSystem=full",
    "PrivateTmp=yes",
    "ProtectControlGroups=yes",
    "ProtectProc=invisible",
];

/// A script that runs its arguments as the user nfkit under [`LIMITS`], but for `MemoryMax`.
const IMITATED: &str = "
    for place in /usr /etc /etc/postfix /sys/fs/cgroup; do
        mount --rbind $place $place
        mount -o remount,bind,ro $place
    done
    mount -t tmpfs tmpfs /tmp
    mount -t tmpfs tmpfs /var/tmp
    mount -t proc -o hidepid=invisible proc /proc
    umask 0027
    exec nice -n 10 ionice -c 3 setpriv --reuid nfkit --regid nfkit --init-groups \"$@\"";

const RETURN_PATH: &str = "nfkit+b-0123456789abcdef@site.test";

impl Postfix {
    /// Prepares a run of a program by the user nfkit as [`Postfix::command`] does, under the limits of the
    /// unit, but for its memory.
    pub fn limited(&self, program: &str) -> Run {
        self.command("root", "unshare").args(["-m", "sh", "-euc", IMITATED, "sh", program])
    }
}

/// Returns the directives of the unit's section for the service.
fn directives() -> Vec<String> {
    let unit = package("packaging/systemd/nf-every10.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let (_, service) = unit.split_once("\n[Service]\n").unwrap();
    let lines = service.lines().take_while(|line| !line.starts_with('['));
    let lines = lines.filter(|line| !line.starts_with('#') && line.contains('='));
    lines.map(str::to_owned).collect()
}

#[test]
fn no_directive_of_the_unit_implies_no_new_privs() {
    let directives = directives();
    let names: Vec<&str> =
        directives.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert!(names.contains(&"User") && names.contains(&"ExecStart"), "{directives:?}");
    for name in IMPLY_NO_NEW_PRIVS {
        assert!(!names.contains(&name), "{name}: sendmail would not hand its mail over");
    }
}

/// A directive that is new in the unit must be tried here before it is added to `LIMITS`.
#[test]
fn sendmail_hands_mail_over_under_the_limits_of_the_unit() {
    let harmless = ["Type", "ExecStart", "User", "Group", "TimeoutStartSec"];
    let limits = directives().into_iter().filter(|line| {
        let name = line.split('=').next().unwrap();
        !harmless.contains(&name) && !name.starts_with("StateDirectory")
    });
    assert_eq!(limits.collect::<Vec<_>>(), LIMITS);
    let Some(postfix) = Postfix::start() else { return };
    let sendmail = postfix.limited("/usr/sbin/sendmail");
    let sendmail = sendmail.args(["-i", "-f", RETURN_PATH, "--", "admin@site.test"]);
    sendmail.stdin(mail("from the unit")).run().ok().mute();
    postfix.maildir("admin", 1);
    // The limits are in force: nothing can be written, and other users' processes cannot be seen.
    let touch = postfix.limited("touch").arg("/etc/postfix/new");
    touch.run().status(1).says("Read-only file system");
    let ran = postfix.limited("sh").args(["-c", "umask; ls -d /tmp/* /proc/1"]).run();
    ran.status(2).prints("0027\n");
}

#[test]
fn sendmail_without_new_privileges_tries_for_ever_and_hands_nothing_over() {
    let Some(postfix) = Postfix::start() else { return };
    // It ends by itself neither with an error nor with success, so whoever runs it needs a limit of time.
    let sendmail = ["/usr/sbin/sendmail", "-i", "-f", RETURN_PATH, "--", "admin@site.test"];
    let run = postfix.command("nfkit", "setpriv").args(["--no-new-privs", "timeout", "5"]);
    let ran = run.args(sendmail).stdin(mail("never")).run();
    ran.status(124).says("mail_queue_enter: create file maildrop/").says("Permission denied");
    assert_eq!(postfix.queue(), []);
    assert_eq!(postfix.maildir("admin", 0).len(), 0);
}
