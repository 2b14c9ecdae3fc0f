// SPDX-License-Identifier: GPL-2.0

//! Modules that carry connections in other ways than over a socket that the kernel reads.
//!
//! Each is asked whether a socket that somebody hands over is one of theirs. Which sockets those
//! are is its own business; every other socket goes its usual way, whatever is registered here.
//!
//! Lock order: the lock of the list comes before those of the providers.

use kernel::{
    prelude::*,
    static_lock_class,
    sync::Arc, //
};

use usbip_kernel::{
    module_ref::ModuleRef,
    net::Socket,
    static_lock::StaticMutex, //
};

use crate::transport::{
    Carrier,
    Transport, //
};

/// A module that may have a claim to a socket.
pub trait Provider: Send + Sync {
    /// Gives what carries the connection that `socket` stands for; nothing if the socket is nobody's
    /// of this provider. May sleep.
    ///
    /// # Errors
    ///
    /// Why a socket that is one of this provider's cannot carry a connection.
    fn claim(&self, socket: &Socket) -> Result<Option<Arc<dyn Transport>>>;
}

struct Entry {
    module: &'static ThisModule,
    provider: Arc<dyn Provider>,
}

static PROVIDERS: StaticMutex<KVec<Entry>> = StaticMutex::new(KVec::new());

/// The first thing that the module does.
pub(crate) fn init() {
    PROVIDERS.init(c"usbip_core::PROVIDERS", static_lock_class!());
}

/// Asks the providers for a socket.
///
/// # Errors
///
/// That of the provider whose socket it is.
pub(crate) fn claimed(socket: &Socket) -> Result<Option<Carrier>> {
    let Some(providers) = PROVIDERS.lock() else {
        return Ok(None);
    };
    for entry in providers.iter() {
        // One that is being unloaded has no sockets.
        let Ok(module) = ModuleRef::get(entry.module) else {
            continue;
        };
        if let Some(transport) = entry.provider.claim(socket)? {
            return Ok(Some(Carrier::new(transport, Some(module))));
        }
    }
    Ok(None)
}

/// A provider is asked for as long as this lives. Dropping it waits for a question that is being
/// answered. May sleep.
pub struct ProviderRegistration(Arc<dyn Provider>);

impl ProviderRegistration {
    /// Registers a provider; `module` is whose code its transports are.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(provider: Arc<dyn Provider>, module: &'static ThisModule) -> Result<Self> {
        let mut providers = PROVIDERS.lock().ok_or(ENODEV)?;
        let entry = Entry {
            module,
            provider: provider.clone(),
        };
        providers.push(entry, GFP_KERNEL)?;
        Ok(Self(provider))
    }
}

impl Drop for ProviderRegistration {
    fn drop(&mut self) {
        if let Some(mut providers) = PROVIDERS.lock() {
            providers.retain(|entry| !Arc::ptr_eq(&entry.provider, &self.0));
            // A static is never dropped: what its list takes up would stay behind when the module goes.
            if providers.is_empty() {
                *providers = KVec::new();
            }
        }
    }
}
