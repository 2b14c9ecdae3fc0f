// SPDX-License-Identifier: GPL-2.0

//! The clock that isochronous packets wait for: the only thing here that happens by time.

use kernel::{
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    time::{
        hrtimer::{
            ArcHrTimerHandle,
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerPointer,
            HrTimerRestart,
            RelativeSoftMode, //
        },
        Delta,
        Monotonic, //
    }, //
};

use crate::engine::Engine;

/// Wakes the sending thread.
#[pin_data]
struct Bell {
    #[pin]
    timer: HrTimer<Self>,
    engine: Arc<Engine>,
}

kernel::impl_has_hr_timer! {
    impl HasHrTimer<Self> for Bell {
        mode: RelativeSoftMode<Monotonic>, field: self.timer
    }
}

impl HrTimerCallback for Bell {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        this.engine.output().raise();
        HrTimerRestart::NoRestart
    }
}

/// An alarm that the sending thread sets for itself. Dropping it ends it; may sleep.
pub(crate) struct Alarm {
    bell: Arc<Bell>,
    running: Option<ArcHrTimerHandle<Bell>>,
}

impl Alarm {
    pub(crate) fn new(engine: Arc<Engine>) -> Result<Self> {
        let bell = Arc::pin_init(
            pin_init!(Bell {
                timer <- HrTimer::new(),
                engine,
            }),
            GFP_KERNEL,
        )?;
        Ok(Self {
            bell,
            running: None,
        })
    }

    /// Lets the thread be woken in so many nanoseconds, and at no other time that was said before.
    pub(crate) fn set(&mut self, nanos: u64) {
        // The one that ends the alarm must go before the next one begins.
        self.running = None;
        let delta = Delta::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
        self.running = Some(self.bell.clone().start(delta));
    }
}
