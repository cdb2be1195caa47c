use super::*;

#[test]
fn only_what_was_never_processed_is_safe_to_try_again() {
    for fault in [Fault::ConnectFailed(Cause::Refused), Fault::ConnectLate, Fault::UpstreamRefused] {
        assert_eq!(fault.reply().retry, Retry::Safe, "{fault:?}");
    }
    assert_eq!(Fault::UpstreamReset.reply().retry, Retry::Idempotent);
    assert_eq!(Fault::Timeout.reply().retry, Retry::Never);
}

#[test]
fn lost_framing_closes() {
    for why in [Reject::LengthAndEncoding, Reject::BareLineEnd, Reject::TooLarge, Reject::Encoding] {
        assert!(Fault::Head(why).reply().close, "{why:?}");
    }
    assert_eq!(Fault::Head(Reject::TooLarge).reply().status, 431);
    assert_eq!(Fault::Head(Reject::Encoding).reply().status, 501);
    assert_eq!(Fault::NoRoute.reply().status, 404);
}

#[test]
fn what_a_caller_may_repeat_says_when() {
    for fault in [Fault::RoomFull, Fault::RoomBytes, Fault::WaitedTooLong, Fault::NoEndpoint] {
        assert!(fault.reply().retry_after.is_some(), "{fault:?}");
    }
}
