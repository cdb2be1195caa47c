use super::*;

#[test]
fn a_narrower_terminal_has_broken_what_was_drawn() {
    assert_eq!(rows_above(&[], 80), 0);
    assert_eq!(rows_above(&[0, 70, 70], 80), 2);
    assert_eq!(rows_above(&[0, 70, 70], 40), 3);
    assert_eq!(rows_above(&[0, 70, 70], 0), 71);
}
