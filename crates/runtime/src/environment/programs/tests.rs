//! Real programs: shells that echo, sleep, allocate and die.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::*;

fn shell(script: &str) -> Program {
    Program {
        name: "test".to_owned(),
        path: "/bin/sh".to_owned(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        inherits: true,
        ..Program::default()
    }
}

fn start(program: &Program) -> StartedProgram {
    LocalPrograms::new().start(program).unwrap()
}

/// What a program writes to its channel before it ends.
fn answer(program: &Program) -> String {
    let mut started = start(program);
    let mut answer = String::new();
    started.channel.read_to_string(&mut answer).unwrap();
    answer
}

/// Whether a process is there and no zombie.
fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[expect(clippy::disallowed_methods, reason = "processes of the machine live by its clock")]
fn wait_until(mut done: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not happen in 10 s");
}

#[test]
fn bytes_go_both_ways_through_standard_input() {
    let mut started = start(&shell("read line <&0; echo \"got $line\" >&0"));
    started.channel.write_all(b"hello\n").unwrap();
    started.channel.flush().unwrap();
    let mut answer = String::new();
    started.channel.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "got hello\n");
    assert_eq!(started.program.ended(), "exit status: 0");
}

#[test]
fn a_program_has_the_folder_and_the_variables_that_it_is_told() {
    let variables = vec![("FLOTT_A".to_owned(), "b".to_owned())];
    let mut program =
        Program { variables, folder: Some("/".to_owned()), ..shell("echo $PWD:$FLOTT_A:${HOME+home} >&0") };
    let home = if std::env::var_os("HOME").is_some() { "home" } else { "" };
    assert_eq!(answer(&program), format!("/:b:{home}\n"));
    program.inherits = false;
    assert_eq!(answer(&program), "/:b:\n");
    let missing = Program { path: "/nowhere/at/all".to_owned(), ..program };
    assert_eq!(LocalPrograms::new().start(&missing).err().unwrap().kind(), io::ErrorKind::NotFound);
}

#[test]
fn address_space_is_bounded() {
    let limit = |memory_bytes_max| answer(&Program { memory_bytes_max, ..shell("ulimit -v >&0") });
    assert_eq!(limit(Some(512 << 20)), "524288\n");
    assert_ne!(limit(None), "524288\n");
}

#[test]
fn what_a_program_has_started_is_killed_with_it() {
    let mut started = start(&shell("sleep 1000 & echo $! >&0; echo $$ >&0; wait"));
    let mut pids = String::new();
    let mut byte = [0];
    while pids.matches('\n').count() < 2 {
        started.channel.read_exact(&mut byte).unwrap();
        pids.push(char::from(byte[0]));
    }
    assert!(pids.lines().all(alive), "{pids}");
    drop(started);
    wait_until(|| !pids.lines().any(alive));
}

#[test]
fn how_a_program_ended_is_told() {
    let ended = |script: &str| {
        let mut started = start(&shell(script));
        started.channel.read_to_end(&mut Vec::new()).unwrap();
        started.program.ended()
    };
    assert_eq!(ended("exit 3"), "exit status: 3");
    assert_eq!(ended("kill -9 $$"), "signal: 9 (SIGKILL)");
    assert_eq!(ended("exec <&-; sleep 1000"), "killed, since it had closed its channel and ran on");
}

#[test]
fn a_silent_program_is_not_waited_for_without_end() {
    let mut started = start(&shell("sleep 1000"));
    started.channel.set_patience(Some(20)).unwrap();
    let error = started.channel.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
}

#[test]
fn a_program_ends_with_this_process_however_that_ends() {
    const CHILD: &str = "FLOTT_TEST_STARTS_A_PROGRAM";
    if std::env::var_os(CHILD).is_some() {
        // This is the process that the test below kills.
        let mut started = start(&shell("echo $$ >&0; exec sleep 1000"));
        let mut pid = String::new();
        BufReader::new(&mut started.channel).read_line(&mut pid).unwrap();
        println!("program {pid}");
        loop {
            wait_a_moment();
        }
    }
    let name = "environment::programs::tests::a_program_ends_with_this_process_however_that_ends";
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut pids = lines.filter_map(|line| Some(line.split_once("program ")?.1.trim().to_owned()));
    let pid = pids.next().expect("the program has started");
    assert!(alive(&pid), "{pid}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until(|| !alive(&pid));
}

#[test]
fn a_program_outlives_the_thread_that_asked_for_it() {
    #[expect(clippy::disallowed_methods, reason = "the test is about threads that end")]
    let mut started = std::thread::spawn(|| start(&shell("read line; echo still here >&0"))).join().unwrap();
    // The signal of a parent's death would come at once.
    wait_a_moment();
    started.channel.write_all(b"\n").unwrap();
    let mut answer = String::new();
    started.channel.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "still here\n");
}

#[expect(clippy::disallowed_methods, reason = "nothing tells that a signal did not come")]
fn wait_a_moment() {
    std::thread::sleep(Duration::from_millis(200));
}
