// SPDX-License-Identifier: GPL-2.0-or-later

//! A server of devices that it makes up.

mod answers;
mod attached;
mod driver;
mod requests;
mod session;
mod waiting;

pub(crate) use attached::Attached;
pub(crate) use driver::{
    Done,
    Driver, //
};

use usbip_peer::sysfs;
use usbip_proto::{
    sysfs_text::PortState,
    Status, //
};

use crate::{
    suite::{
        self,
        same,
        wait_for,
        Outcome,
        Result,
        Test, //
    },
    tests,
    Settings, //
};

const TESTS: &[Test<()>] = tests![
    answers::c1_negative_actual_length,
    answers::c1_actual_length_beyond_the_buffer,
    answers::c2_actual_length_of_a_write,
    answers::c3_iso_offsets_and_lengths_are_the_drivers,
    answers::c3_iso_lengths_that_do_not_add_up,
    answers::c3_iso_gaps_are_restored,
    answers::iso_legal_packet_counts,
    answers::c4_packet_count_is_the_drivers,
    answers::c4_start_frame_and_error_count,
    requests::c5_answer_to_what_is_not_sent,
    requests::c5_answer_to_what_is_being_sent,
    requests::transfers_end_in_order,
    requests::c6_unlink_races_with_completion,
    requests::c7_unlink_of_what_is_not_sent,
    requests::c8_c9_no_memory,
    requests::c11_unlink_of_scatter_gather,
    requests::c12_unlinks_do_not_flood_the_log,
    answers::c13_status_that_is_no_errno,
    session::c14_pdu_that_takes_its_time,
    session::c15_device_behind_an_imported_hub,
    session::e5_one_end_does_not_wait_for_another,
    requests::unlink_answered_after_the_transfer,
    requests::unlink_answered_before_the_transfer,
    requests::transfer_answered_after_nothing_to_unlink,
    requests::unlink_answered_twice,
    requests::answer_to_nothing,
    requests::answer_twice,
    requests::answer_of_the_wrong_kind,
    requests::requests_without_end,
    session::unknown_command,
    session::truncated_answers,
    session::truncated_data_are_an_error,
    session::requests_of_a_client_are_no_answers,
    session::super_speed_plus,
    session::suspended_and_resumed,
    session::is_not_exported_again,
    session::attach_and_detach_race,
    session::server_that_never_answers,
    waiting::unlink_that_is_never_answered,
    waiting::transfer_that_takes_its_time,
    waiting::unlink_while_the_answer_comes_in,
    waiting::unlink_while_data_leave_slowly,
    waiting::enumeration_that_is_never_answered,
];

/// Runs the tests.
pub(crate) fn run(settings: &Settings, words: &[&str]) -> Result<Outcome> {
    suite::select(words, TESTS.iter().map(|test| test.name))?;
    settle(&mut ())?;
    Ok(suite::run("vhci", TESTS, words, settings, &mut (), settle))
}

/// All ports become free, and a device that does nothing wrong can be used.
pub(crate) fn settle(_: &mut ()) -> Result {
    free()?;
    let mut attached = Attached::everything()?;
    well_used(&mut attached)?;
    drop(attached);
    free()
}

/// Waits until all ports are free.
pub(crate) fn free() -> Result {
    wait_for("all ports are free", || {
        sysfs::ports().is_ok_and(|rows| rows.iter().all(|row| row.state == PortState::Null))
    })
}

/// Reads from the device as a driver that does nothing wrong.
pub(crate) fn well_used(attached: &mut Attached) -> Result {
    let mut driver = attached.driver()?;
    driver.submit(1, "bulk 0x81 0 512")?;
    let submit = attached.submission()?;
    attached.good(&submit)?;
    let done = driver.done(1)?;
    same(
        "a good transfer",
        (Status::OK, 512),
        (done.status, done.actual_length),
    )?;
    // 0 to 255, twice.
    same("its data", 2 * 255 * 128, done.sum)
}
