//! Exporters that fall silent and send data again.

use nfkit::time::Window;

use super::{Job, slot_file};

#[test]
fn the_silence_of_an_exporter_and_its_end_are_reported_once() {
    let job = Job::new();
    let (a, b) = ("192.0.2.1", "2001:db8::1");
    let at = |n: u64| Window::new(994_000_200 + 600 * n, 600).unwrap().start_text();
    let expect = |n: u64, who: &[&str], said: &[String]| {
        let (name, bytes) = slot_file(n, who);
        job.put(&name, bytes);
        let said: Vec<_> = said.iter().map(|line| format!("nf-every10: {line}\n")).collect();
        job.run().status(0).says(&said.concat());
        // A second run has nothing to report.
        job.run().quiet();
    };
    let silent = |who: &str, n: u64, last: u64| {
        format!(
            "exporter {who} has been silent for two windows, up to {}; the last time was in that of {}",
            at(n),
            at(last)
        )
    };
    let again =
        |who: &str, n: u64| format!("exporter {who} speaks again, in the window of {}", at(n));
    expect(0, &[a, b], &[]);
    expect(1, &[a], &[]);
    expect(2, &[a, b], &[]);
    expect(3, &[a], &[]);
    expect(4, &[a], &[silent(b, 4, 2)]);
    expect(5, &[a], &[]);
    expect(6, &[a, b], &[again(b, 6)]);
    // Now no exporter sends at all.
    expect(7, &[], &[]);
    let nobody = format!(
        "no exporter has spoken for two windows (state=nodata), up to {}; the last time was in that of {}",
        at(8),
        at(6)
    );
    expect(8, &[], &[nobody]);
    expect(9, &[], &[]);
    let any = format!("any exporter speaks again, in the window of {}", at(10));
    expect(10, &[a], &[any, again(a, 10)]);
    expect(11, &[a, b], &[again(b, 11)]);
    // Slots without a file do not count as silence: no collector listened.
    expect(20, &[a], &[]);
    // A torn file does not count either: only a part of the slot was received.
    for n in [21, 22] {
        let (name, bytes) = slot_file(n, &[a]);
        job.put(&name, &bytes[..bytes.len() - 10]);
        let err = job.run().status(0).err();
        assert!(err.contains("cut short") && !err.contains("silent"), "{err}");
    }
    expect(23, &[a], &[silent(b, 23, 11)]);
    let last = |n: u64, who: &str, missed: u32| format!("{who}\t{}\t{missed}\n", at(n));
    let expected = format!(
        "#newest\t{}\n#fields\texporter\tlast\tmissed\n{}{}{}",
        at(23),
        last(23, "*", 0),
        last(23, a, 0),
        last(11, b, 2)
    );
    assert_eq!(job.text("exporters"), expected);
    let current = job.text("current");
    assert_eq!(current.matches("\tstate=nodata").count(), 9);
}

#[test]
fn a_spool_without_any_exporter_is_reported() {
    let job = Job::new();
    for n in 0..3 {
        let (name, bytes) = slot_file(n, &[]);
        job.put(&name, bytes);
    }
    let at = Window::new(994_000_800, 600).unwrap().start_text();
    job.run().status(0).says(&format!(
        "nf-every10: no exporter has spoken for two windows (state=nodata), up to {at}\n"
    ));
}
