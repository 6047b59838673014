use super::*;

#[tokio::test]
async fn keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
    crate::store::memory::contract(&store).await;
}
