//! Mails in the language of the contacts.

use super::*;

#[test]
fn the_mails_in_chinese_equal_the_golden_file_in_local_time() {
    let scene = Scene::new();
    let contacts = scene.write(
        "c.csv",
        "0.0.0.0/0,chang@cs.example.edu,張小明,,zh-TW\n::/0,chang@cs.example.edu\n",
    );
    let config = "[site]\nname = \"政治大學\"\ntimezone = \"Asia/Taipei\"\n";
    let config = scene.write("nfkit.toml", config);
    let run =
        tool("nfnotify").args(["-q", "mail", "--date", DATE, "--operator", "chang@cs.example.edu"]);
    let run = run.arg("--contacts").arg(contacts).arg("--config").arg(config);
    let ran = run.args([data("day.findings"), data("classes.findings")]).run().ok();
    golden(&ran, "zh-tw.mbox");
    let Some(python) = installed("python3") else { return };
    let script = "
import email, email.policy, mailbox, sys, unicodedata
read = lambda f: email.message_from_binary_file(f, policy=email.policy.default)
width = lambda text: sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in text)
m, = mailbox.mbox(sys.argv[1], factory=read)
assert not m.defects and m['content-language'] == 'zh-TW', m.defects
body = m.get_content()
assert max(map(width, body.splitlines())) <= 72
assert '{' not in body
print(m['subject'])
";
    let path = scene.write("mbox", &ran.out);
    let ran = python.args(["-c", script]).arg(path).env("PYTHONUTF8", "1").run().ok();
    assert!(ran.text().starts_with("[政治大學] 140.119."), "{ran}");
}

#[test]
fn contacts_may_state_kinds_and_languages() {
    let scene = Scene::new();
    let more = "network,mail,name,kind,lang\n140.119.0.0/16,noc@example.edu,NOC\n\
        140.119.44.0/24,chang@cs.example.edu,\"張, 系統管理\",,en\n\
        140.119.44.0/24,lin@cs.example.edu,,static\n140.119.53.0/24,lin@cs.example.edu,,shared,\n";
    let contacts = scene.write("c.csv", more);
    let with = |contacts: PathBuf| {
        let run =
            tool("nfnotify").args(["-q", "mail", "--date", DATE, "--operator", "op@x.example"]);
        run.arg("--contacts").arg(contacts).arg(data("day.findings")).run().ok()
    };
    with(contacts).prints(with(data("contacts.csv")).text());
    // The language of one line is that of the person.
    let chinese = more.replace(",,en\n", ",,zh-TW\n140.119.0.0/16,chang@cs.example.edu\n");
    let ran = with(scene.write("zh.csv", chinese));
    let mails = headers(ran.text());
    assert_eq!(named(&mails, "Content-Language: "), ["zh-TW"], "{ran}");
    assert!(ran.text().contains("\n張, 系統管理您好：\n"), "{ran}");
    let contacts =
        scene.write("d.csv", "10.0.0.0/8,a@b,,static\n# Wi-Fi\n10.0.0.0/8,c@d,,dynamic\n");
    let path = contacts.display();
    let said = "10.0.0.0/8 is dynamic here and static in line 1; a network has one kind";
    let ran = tool("nfnotify").args(["mail", "--operator", "a@b", "--contacts"]).arg(&contacts);
    ran.run().mute().status(1).says(&format!("nfnotify: {path}:3: {said}"));
}
