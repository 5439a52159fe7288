package millrace.peer;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.Options;

/** RocksDB with memtables and a parallelism that suit the machine; everything else is as Kafka Streams sets it. */
public final class RocksDbSettings implements RocksDBConfigSetter {
  @Override
  public void setConfig(String storeName, Options options, Map<String, Object> configs) {
    Object megabytes = configs.get("peer.memtable.mb");
    if (megabytes != null) options.setWriteBufferSize(Long.parseLong(megabytes.toString()) << 20);
    options.setIncreaseParallelism(Runtime.getRuntime().availableProcessors());
    BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
    table.setCacheIndexAndFilterBlocks(false);
    options.setTableFormatConfig(table);
  }

  @Override
  public void close(String storeName, Options options) {}
}
