//! The hook that CodeDeploy and ECS call during their own deployments.
//!
//! [`event::Event`] tells the events apart that such a function is called with.

pub mod event;
