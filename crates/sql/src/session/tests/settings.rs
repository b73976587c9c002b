//! `SET` and `RESET`.

use expect_test::expect;

use super::{check, run, session_over};

#[test]
fn what_the_file_set_comes_back() {
    let mut session = session_over(&Default::default(), &[("parallelism.default", "2")]).unwrap();
    let script = "SET 'parallelism.default' = '8'; SET; RESET; SET;";
    expect![[r#"
        OK
        [key | value | origin]
        parallelism.default | 8 | SET
        OK
        [key | value | origin]
        parallelism.default | 2 | configuration file
    "#]]
    .assert_eq(&run(&mut session, script));
}

#[test]
fn a_key_is_set_and_reset() {
    check(
        "SET;
SET 'parallelism.default' = '4';
SET 'sql-client.verbose' = 'true';
SET;
RESET 'parallelism.default';
SET;
RESET;
SET;",
        &expect![[r#"
            [key | value | origin]
            OK
            OK
            [key | value | origin]
            parallelism.default | 4 | SET
            sql-client.verbose | true | SET
            OK
            [key | value | origin]
            sql-client.verbose | true | SET
            OK
            [key | value | origin]
        "#]],
    );
}

#[test]
fn keys_and_values_are_checked() {
    check(
        "SET 'paralelism.default' = '4';
SET 'parallelism.default' = 'many';
SET 'taskmanager.memory.process.size' = '4g';
RESET 'paralelism.default';
RESET 'taskmanager.memory.process.size';
SET;",
        &expect![[r#"
            1:5: there is no option 'paralelism.default'
              Did you mean 'parallelism.default'?
            2:5: option 'parallelism.default' cannot be 'many'
              It must be a whole number from 1 to 32768.
            OK, but option 'taskmanager.memory.process.size' has no effect: there is no JVM whose memory has to be divided
            4:7: there is no option 'paralelism.default'
              Did you mean 'parallelism.default'?
            OK
            [key | value | origin]
        "#]],
    );
}
