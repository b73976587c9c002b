import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.SourceProvider;
import org.apache.flink.table.connector.source.abilities.SupportsProjectionPushDown;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;

/**
 * `'connector' = 'nexmark'`: the very events of Flott's connector of this name, for Flink.
 *
 * <p>It makes the columns and the nested fields that are asked for and no others, as Flott's does: neither side pays for texts
 * that no query reads. Reader r of n has every n-th block of events, so that all move through event time together.
 */
public final class Nexmark implements DynamicTableSourceFactory {
  static final ConfigOption<Long> EVENTS = ConfigOptions.key("events.num").longType().noDefaultValue();
  static final ConfigOption<Integer> FIRST_RATE = ConfigOptions.key("first-event.rate").intType().defaultValue(10_000);
  static final ConfigOption<Integer> NEXT_RATE = ConfigOptions.key("next-event.rate").intType().defaultValue(10_000);
  static final ConfigOption<Boolean> LIMITED = ConfigOptions.key("rate-limited").booleanType().defaultValue(false);
  static final ConfigOption<Long> BASE = ConfigOptions.key("base-time").longType().defaultValue(1_436_918_400_000L);
  static final int READERS_MAX = 64;
  /** Events that each reader has emitted, eight cells apart: no two of them share a cache line. */
  static final long[] EMITTED = new long[READERS_MAX * 8];

  @Override
  public String factoryIdentifier() {
    return "nexmark";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(EVENTS);
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of(FIRST_RATE, NEXT_RATE, LIMITED, BASE);
  }

  @Override
  public DynamicTableSource createDynamicTableSource(Context context) {
    FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
    helper.validate();
    ReadableConfig options = helper.getOptions();
    if (!options.get(FIRST_RATE).equals(options.get(NEXT_RATE))) {
      throw new IllegalArgumentException("this generator has one rate");
    }
    List<String> names = DataType.getFieldNames(context.getPhysicalRowDataType());
    if (!names.equals(List.of("event_type", "person", "auction", "bid"))) {
      throw new IllegalArgumentException("the columns are event_type, person, auction, bid, in this order");
    }
    return new Table(
        new Settings(
            options.get(EVENTS),
            options.get(FIRST_RATE),
            options.get(BASE),
            options.get(LIMITED),
            options.getOptional(BASE).isPresent()),
        new int[][] {{0}, {1}, {2}, {3}});
  }

  /** `real`: event time is real time; else it begins when the reader does. */
  record Settings(long events, int rate, long base, boolean limited, boolean real) implements Serializable {}

  private static final class Table implements ScanTableSource, SupportsProjectionPushDown {
    private final Settings settings;
    private int[][] fields;

    Table(Settings settings, int[][] fields) {
      this.settings = settings;
      this.fields = fields;
    }

    @Override
    public ChangelogMode getChangelogMode() {
      return ChangelogMode.insertOnly();
    }

    @Override
    public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
      return SourceProvider.of(new Events(settings, fields));
    }

    @Override
    public boolean supportsNestedProjection() {
      return true;
    }

    @Override
    public void applyProjection(int[][] projected, DataType type) {
      fields = projected;
    }

    @Override
    public DynamicTableSource copy() {
      return new Table(settings, fields);
    }

    @Override
    public String asSummaryString() {
      return "nexmark";
    }
  }

  /** Every `step`-th block; `next` is the number of the next event. */
  record Blocks(int reader, int step, long next) implements SourceSplit {
    @Override
    public String splitId() {
      return String.valueOf(reader);
    }
  }

  private record Events(Settings settings, int[][] fields) implements Source<RowData, Blocks, List<Blocks>> {
    private static final long serialVersionUID = 1;

    @Override
    public Boundedness getBoundedness() {
      return Boundedness.BOUNDED;
    }

    @Override
    public SourceReader<RowData, Blocks> createReader(SourceReaderContext context) {
      return new Reader(settings, fields);
    }

    @Override
    public SplitEnumerator<Blocks, List<Blocks>> createEnumerator(SplitEnumeratorContext<Blocks> context) {
      Deque<Blocks> splits = new ArrayDeque<>();
      int readers = context.currentParallelism();
      for (int reader = 0; reader < readers; reader++) {
        splits.add(new Blocks(reader, readers, (long) reader * Reader.BLOCK));
      }
      return new Dealer(context, splits);
    }

    @Override
    public SplitEnumerator<Blocks, List<Blocks>> restoreEnumerator(
        SplitEnumeratorContext<Blocks> context, List<Blocks> splits) {
      return new Dealer(context, new ArrayDeque<>(splits));
    }

    @Override
    public SimpleVersionedSerializer<Blocks> getSplitSerializer() {
      return new BlocksSerializer();
    }

    @Override
    public SimpleVersionedSerializer<List<Blocks>> getEnumeratorCheckpointSerializer() {
      return new ListSerializer();
    }
  }

  /** Gives each reader that comes the next split; the parallelism of a restored job is that of its first start. */
  private static final class Dealer implements SplitEnumerator<Blocks, List<Blocks>> {
    private final SplitEnumeratorContext<Blocks> context;
    private final Deque<Blocks> splits;

    Dealer(SplitEnumeratorContext<Blocks> context, Deque<Blocks> splits) {
      this.context = context;
      this.splits = splits;
    }

    @Override
    public void start() {}

    @Override
    public void handleSplitRequest(int subtask, String host) {}

    @Override
    public void addSplitsBack(List<Blocks> back, int subtask) {
      splits.addAll(back);
    }

    @Override
    public void addReader(int subtask) {
      if (!splits.isEmpty()) {
        context.assignSplit(splits.poll(), subtask);
      }
      context.signalNoMoreSplits(subtask);
    }

    @Override
    public List<Blocks> snapshotState(long checkpoint) {
      return new ArrayList<>(splits);
    }

    @Override
    public void close() {}
  }

  private static final class Reader implements SourceReader<RowData, Blocks> {
    static final long BLOCK = 8192;
    private static final long WAIT_MS = 1;
    private final Settings settings;
    private final NexmarkEvents events;
    private final CompletableFuture<Void> ready = new CompletableFuture<>();
    private Blocks split;
    private long next;
    private long emitted;
    /** How many milliseconds behind its time an event comes. */
    private long late;
    private boolean last;

    Reader(Settings settings, int[][] fields) {
      this.settings = settings;
      this.events = new NexmarkEvents(settings.rate(), settings.base(), fields);
    }

    @Override
    public void start() {
      late = settings.real() ? 0 : System.currentTimeMillis() - settings.base();
    }

    @Override
    public InputStatus pollNext(ReaderOutput<RowData> output) throws InterruptedException {
      if (split == null) {
        return last ? InputStatus.END_OF_INPUT : InputStatus.NOTHING_AVAILABLE;
      }
      if (next >= settings.events()) {
        return InputStatus.END_OF_INPUT;
      }
      if (settings.limited() && events.time(next) + late > System.currentTimeMillis()) {
        // The mailbox is asked in between; a millisecond is less than what is measured.
        Thread.sleep(WAIT_MS);
        return InputStatus.MORE_AVAILABLE;
      }
      output.collect(events.row(next));
      next++;
      if (next % BLOCK == 0) {
        next += (split.step() - 1) * BLOCK;
      }
      EMITTED[split.reader() * 8] = ++emitted;
      return InputStatus.MORE_AVAILABLE;
    }

    @Override
    public List<Blocks> snapshotState(long checkpoint) {
      return split == null ? List.of() : List.of(new Blocks(split.reader(), split.step(), next));
    }

    @Override
    public CompletableFuture<Void> isAvailable() {
      return ready;
    }

    @Override
    public void addSplits(List<Blocks> splits) {
      if (split != null || splits.size() != 1) {
        throw new IllegalStateException("a reader has one split");
      }
      split = splits.get(0);
      next = split.next();
      ready.complete(null);
    }

    @Override
    public void notifyNoMoreSplits() {
      last = true;
      ready.complete(null);
    }

    @Override
    public void close() {}
  }

  private static final class BlocksSerializer implements SimpleVersionedSerializer<Blocks> {
    static final int BYTES = 16;

    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(Blocks split) {
      return ByteBuffer.allocate(BYTES).putInt(split.reader()).putInt(split.step()).putLong(split.next()).array();
    }

    @Override
    public Blocks deserialize(int version, byte[] bytes) {
      ByteBuffer buffer = ByteBuffer.wrap(bytes);
      return new Blocks(buffer.getInt(), buffer.getInt(), buffer.getLong());
    }
  }

  private static final class ListSerializer implements SimpleVersionedSerializer<List<Blocks>> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(List<Blocks> splits) {
      ByteBuffer buffer = ByteBuffer.allocate(splits.size() * BlocksSerializer.BYTES);
      splits.forEach(split -> buffer.put(new BlocksSerializer().serialize(split)));
      return buffer.array();
    }

    @Override
    public List<Blocks> deserialize(int version, byte[] bytes) {
      List<Blocks> splits = new ArrayList<>();
      ByteBuffer buffer = ByteBuffer.wrap(bytes);
      while (buffer.hasRemaining()) {
        splits.add(new Blocks(buffer.getInt(), buffer.getInt(), buffer.getLong()));
      }
      return splits;
    }
  }
}
