use std::{io, thread, time::Duration};

use crate::RedisServer;

/// A cluster for one test: three primaries, and one replica of each.
#[derive(Debug)]
pub struct RedisCluster {
    primaries: Vec<RedisServer>,
    replicas: Vec<RedisServer>,
}

const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;

impl RedisCluster {
    /// Starts a cluster with an append-only file at each node. A replica becomes the primary when
    /// its primary has been down for a second.
    ///
    /// # Errors
    ///
    /// `redis-server` is not installed, or a node does not start.
    pub fn start() -> io::Result<Self> {
        let nodes = || (0..PRIMARIES).map(|_| start_node()).collect::<io::Result<_>>();
        let cluster = Self { primaries: nodes()?, replicas: nodes()? };
        let mut nodes = cluster.nodes();
        let first = nodes.next().ok_or(io::ErrorKind::NotFound)?;
        for node in nodes {
            let bus = node.bus().ok_or_else(|| io::Error::other("no node of a cluster"))?;
            first.query(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port()))?;
        }
        cluster.until(|node| Ok(node.query("CLUSTER NODES")?.lines().count() == 2 * PRIMARIES))?;
        for (number, (primary, replica)) in
            cluster.primaries.iter().zip(&cluster.replicas).enumerate()
        {
            let slot = |number| SLOTS * number / PRIMARIES;
            let (first, end) = (slot(number), slot(number + 1));
            primary.query(&format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1))?;
            replica.query(&format!("CLUSTER REPLICATE {}", primary.query("CLUSTER MYID")?))?;
        }
        cluster.until(|node| {
            let info = node.query("INFO replication")?;
            Ok(node.query("CLUSTER INFO")?.contains("cluster_state:ok")
                && (info.contains("master_link_status:up") || info.contains("state=online")))
        })?;
        Ok(cluster)
    }

    /// Returns the address of all nodes, `redis-cluster://…`.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// Returns the nodes that are primaries at the start.
    #[must_use]
    pub fn primaries(&mut self) -> &mut [RedisServer] {
        &mut self.primaries
    }

    /// Returns their replicas, in the same order.
    #[must_use]
    pub fn replicas(&mut self) -> &mut [RedisServer] {
        &mut self.replicas
    }

    /// Returns all nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &RedisServer> {
        self.primaries.iter().chain(&self.replicas)
    }

    /// Waits until all nodes are in a state.
    fn until(&self, is_so: impl Fn(&RedisServer) -> io::Result<bool>) -> io::Result<()> {
        for node in self.nodes() {
            while !is_so(node)? {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

fn start_node() -> io::Result<RedisServer> {
    let options = ["--cluster-node-timeout", "1000", "--appendonly", "yes"];
    RedisServer::start_node(&[&options[..], &["--repl-diskless-sync-delay", "0"]].concat())
}
