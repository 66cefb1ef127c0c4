//! The program as its caller sees it: questions, answers, files, the end.
mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use flatnet_model::probe::{Failure, ask, wire};
use support::{Net, all_transports, failed, net_tests};

fn cni_files(conf: &std::path::Path, bin: &std::path::Path) -> ask::CniFiles {
    ask::CniFiles {
        conf_dir: conf.display().to_string(),
        bin_dir: bin.display().to_string(),
    }
}

net_tests! {
    fn a_line_that_is_not_a_question_is_said_to_be_none_and_the_next_is_answered() {
        let net = Net::new();
        let mut probe = net.probe();
        for line in ["what?", "{\"ask\":\"nothing\"}", "{\"ask\":\"listen\"}", "[", "{\"ask\":\"seen\"} {\"ask\":\"seen\"}"] {
            probe.send(format!("{line}\n").as_bytes());
            let error = probe.answer(&ask::Seen {}).expect_err(line);
            assert!(error.starts_with("not a question: "), "{error}");
        }
        probe.send(b"\n  \n\xff\xfe\n");
        assert!(probe.answer(&ask::Seen {}).is_err());
        assert_eq!(probe.seen(), []);
    }

    fn a_name_must_fit_into_a_message() {
        let net = Net::new();
        let mut probe = net.probe();
        for (name, said) in [("", "0 bytes"), (&"x".repeat(401)[..], "401 bytes")] {
            let error = probe.try_ask(&ask::Listen { name: name.to_owned(), port: 0 }).expect_err("listens");
            assert!(error.contains(said), "{error}");
        }
        let longest = "x".repeat(400);
        let port = probe.listen(&longest);
        probe.dial(all_transports("127.0.0.1", port), 2000, 3);
        assert_eq!(probe.seen().iter().filter(|seen| seen.from == longest).count(), 3);
    }

    fn what_was_asked_before_the_end_is_answered() {
        let net = Net::new();
        let mut probe = net.probe();
        probe.send(b"{\"ask\":\"seen\"}\n{\"ask\":\"seen\"}\n{\"ask\":\"seen\"}");
        let (ended, written) = probe.end();
        ended.unwrap();
        assert_eq!(written, "{\"answer\":\"seen\",\"requests\":[]}\n".repeat(3));
    }

    fn a_closed_output_ends_a_long_row() {
        let net = Net::new();
        net.nft("table inet t { chain c { type filter hook input priority 0; policy drop; }; }");
        let mut probe = net.probe();
        // Ten minutes, were it not for the hang-up.
        probe.begin(&ask::Dial { targets: all_transports("127.0.0.1", 9), at_once: 3, timeout_ms: 600_000, attempts: 1 });
        let error = probe.hang_up().unwrap_err();
        assert_eq!(error.to_string(), "wait for the answer: broken pipe");
    }

    fn a_question_of_several_megabytes_is_a_question() {
        let net = Net::new();
        let mut probe = net.probe();
        let port = probe.listen("self");
        let all = all_transports("127.0.0.1", port);
        let targets: Vec<_> = (0..20_000).map(|i| all[i % 2]).collect();
        let dial = ask::Dial { targets, at_once: 100, timeout_ms: 10_000, attempts: 2 };
        let line = String::from_utf8(wire::question_line(&dial).unwrap()).unwrap();
        probe.send(line.replacen('{', &format!("{{{}", " ".repeat(3_000_000)), 1).as_bytes());
        let results = probe.dialled(&dial);
        assert_eq!(results.len(), 20_000);
        let lost = results.iter().find(|result| matches!(result, flatnet_model::probe::DialOutcome::Failed { .. }));
        assert_eq!(lost.map(|result| failed(result).0), None::<Failure>);
    }

    fn cni_files_in_order_with_what_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let (conf, bin) = (dir.path().join("net.d"), dir.path().join("bin"));
        fs::create_dir_all(conf.join("multus.d")).unwrap();
        fs::create_dir_all(bin.join("libexec")).unwrap();
        fs::write(conf.join("20-b.conflist"), "{\"cniVersion\":\"1.0.0\"}").unwrap();
        fs::write(conf.join("10-a.conf"), "not json").unwrap();
        fs::write(conf.join("30-exactly"), "x".repeat(64 * 1024)).unwrap();
        fs::write(conf.join("31-longer"), "x".repeat(64 * 1024 + 1)).unwrap();
        fs::write(conf.join("40-latin1"), b"\xe4").unwrap();
        symlink("gone", conf.join("50-dangling")).unwrap();
        nix::unistd::mkfifo(&conf.join("60-fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (name, mode) in [("bridge", 0o755), ("README", 0o644), ("host-local", 0o100)] {
            fs::write(bin.join(name), "").unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("bridge", bin.join("ptp")).unwrap();
        symlink("gone", bin.join("vlan")).unwrap();

        let net = Net::new();
        let files = net.probe().ask(&cni_files(&conf, &bin));
        assert_eq!(files.programs, ["bridge", "host-local", "ptp"]);
        let listed: Vec<_> = files.conf.iter().map(|file| (&file.name[..], file.content.as_deref().map(str::len).map_err(|why| &why[..]))).collect();
        assert_eq!(listed, [
            ("10-a.conf", Ok(8)),
            ("20-b.conflist", Ok(22)),
            ("30-exactly", Ok(64 * 1024)),
            ("31-longer", Err("longer than 64 KiB (65537 bytes)")),
            ("40-latin1", Err("not UTF-8 text")),
            ("50-dangling", Err("no such file or directory")),
            ("60-fifo", Err("not a regular file")),
        ]);
    }

    fn cni_directories_that_are_not_there_are_empty_and_others_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (gone, file) = (dir.path().join("gone"), dir.path().join("file"));
        fs::write(&file, "").unwrap();
        let net = Net::new();
        let mut probe = net.probe();
        let files = probe.ask(&cni_files(&gone, &gone));
        assert!(files.conf.is_empty() && files.programs.is_empty());
        let error = probe.try_ask(&cni_files(&file, &gone)).expect_err("a file is not a directory");
        assert_eq!(error, format!("read {}: not a directory", file.display()));
    }
}
