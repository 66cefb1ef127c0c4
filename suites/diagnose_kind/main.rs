//! Every cause that needs a real cluster, planted once and named first; a healthy pod gets none. `FLATNET_CLUSTER` names a kind
//! cluster of a control plane and two workers with flannel on it, which runs already (`make kind-up NAME=… CNI=flannel`).
mod cluster;
#[path = "../diagnose/first.rs"]
mod first;
mod network;
mod pods;
