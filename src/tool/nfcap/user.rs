//! The user of the collector. Binding a low port and granting a large buffer need root, and nothing
//! after that does.

use anyhow::Context;
use nix::unistd::{Gid, Group, Uid, User, setgid, setgroups, setuid};

/// Switches to another user or group for good.
///
/// # Errors
/// Fails if the system does not know the name or refuses the change, or if root could be regained.
pub fn become_user(user: Option<&str>, group: Option<&str>) -> anyhow::Result<()> {
    let account = user.map(find_user).transpose()?;
    let gid = match group {
        Some(name) => Some(find_group(name)?),
        None => account.as_ref().map(|&(_, gid)| gid),
    };
    let option =
        |name: &str, value: Option<&str>| format!("--{name} {}", value.unwrap_or_default());
    if let Some(gid) = gid {
        let context = || match group {
            Some(_) => option("group", group),
            None => option("user", user),
        };
        // The supplementary groups of root must go too.
        if Uid::effective().is_root() {
            setgroups(&[gid]).with_context(context)?;
        }
        setgid(gid).with_context(context)?;
    }
    if let Some((uid, _)) = account {
        setuid(uid).with_context(|| option("user", user))?;
        let can_regain_root = !uid.is_root() && setuid(Uid::from_raw(0)).is_ok();
        anyhow::ensure!(!can_regain_root, "--user: the process could regain root");
    }
    Ok(())
}

/// Looks a user up, by name or number. A number that has no entry is its own group.
fn find_user(name: &str) -> anyhow::Result<(Uid, Gid)> {
    let context = || format!("--user {name}");
    match name.parse() {
        Ok(number) => match User::from_uid(Uid::from_raw(number)).with_context(context)? {
            Some(user) => Ok((user.uid, user.gid)),
            None => Ok((Uid::from_raw(number), Gid::from_raw(number))),
        },
        Err(_) => {
            let user = User::from_name(name).with_context(context)?;
            let user = user.ok_or_else(|| anyhow::anyhow!("{}: no such user", context()))?;
            Ok((user.uid, user.gid))
        }
    }
}

/// Looks a group up, by name or number.
fn find_group(name: &str) -> anyhow::Result<Gid> {
    let context = || format!("--group {name}");
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let group = Group::from_name(name).with_context(context)?;
    Ok(group.ok_or_else(|| anyhow::anyhow!("{}: no such group", context()))?.gid)
}
