// The load of bench/generator.cpp for UmaDB, which speaks gRPC: closed loop, every connection sends
// again when it has its answer. Each append names the last position that it knows of its entity, so
// the store checks what a version checks elsewhere.
//
//     umadb-load append URL PREFIX CONNECTIONS SECONDS SIZE COUNT
//     umadb-load read URL
use futures::StreamExt;
use std::time::{Duration, Instant};
use umadb_client::UmaDbClient;
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreAsync, DcbQuery, DcbQueryItem};

type Failure = Box<dyn std::error::Error>;
const ENTITIES: usize = 16;

/// Appends until `end`; how long each took, in milliseconds.
async fn append(
    url: String,
    prefix: String,
    size: usize,
    count: usize,
    end: Instant,
) -> Result<Vec<f64>, Failure> {
    let client = UmaDbClient::new(url).connect_async().await?;
    let mut known = vec![None; ENTITIES];
    let mut taken = Vec::new();
    let data = vec![b'x'; size];
    while Instant::now() < end {
        let turn = taken.len() % ENTITIES;
        let tag = format!("{prefix}-{turn}");
        let events = (0..count)
            .map(|_| {
                DcbEvent::default()
                    .event_type("item.changed")
                    .tags([tag.as_str()])
                    .data(data.clone())
                    .uuid(uuid::Uuid::new_v4())
            })
            .collect();
        let boundary = DcbQuery::new().item(DcbQueryItem::new().tags([tag.as_str()]));
        let condition = DcbAppendCondition::new(boundary).after(known[turn]);
        let begun = Instant::now();
        known[turn] = Some(client.append(events, Some(condition), None).await?);
        taken.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(taken)
}

async fn append_all(arguments: &[String]) -> Result<(), Failure> {
    let number = |index: usize| arguments[index].parse::<usize>();
    let (connections, seconds) = (number(2)?, arguments[3].parse::<f64>()?);
    let (size, count) = (number(4)?, number(5)?);
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    let runs = (0..connections).map(|i| {
        let prefix = format!("{}-{i}", arguments[1]);
        append(arguments[0].clone(), prefix, size, count, end)
    });
    let mut taken = Vec::new();
    for run in futures::future::join_all(runs).await {
        taken.extend(run?);
    }
    let rate = taken.len() as f64 / begun.elapsed().as_secs_f64();
    taken.sort_by(f64::total_cmp);
    let at = |share: f64| taken[(share * (taken.len() - 1) as f64) as usize];
    println!(
        "{{\"requests\":{},\"rate\":{rate:.2},\"p50_ms\":{:.4},\"p99_ms\":{:.4}}}",
        taken.len(),
        at(0.5),
        at(0.99)
    );
    Ok(())
}

async fn read_all(url: &str) -> Result<(), Failure> {
    let client = UmaDbClient::new(url.to_string()).connect_async().await?;
    let begun = Instant::now();
    let mut events = client.read(None, None, false, None).await?;
    let mut count = 0usize;
    while let Some(event) = events.next().await {
        event?;
        count += 1;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    println!("{{\"events\":{count},\"rate\":{rate:.2}}}");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments[0].as_str() {
        "append" => append_all(&arguments[1..]).await,
        _ => read_all(&arguments[1]).await,
    }
}
