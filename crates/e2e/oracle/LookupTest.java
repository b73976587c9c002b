import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.LookupTableSource;
import org.apache.flink.table.connector.source.abilities.SupportsProjectionPushDown;
import org.apache.flink.table.connector.source.lookup.AsyncLookupFunctionProvider;
import org.apache.flink.table.connector.source.lookup.LookupFunctionProvider;
import org.apache.flink.table.connector.source.lookup.LookupOptions;
import org.apache.flink.table.connector.source.lookup.PartialCachingAsyncLookupProvider;
import org.apache.flink.table.connector.source.lookup.PartialCachingLookupProvider;
import org.apache.flink.table.connector.source.lookup.cache.DefaultLookupCache;
import org.apache.flink.table.connector.source.lookup.cache.LookupCache;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.functions.AsyncLookupFunction;
import org.apache.flink.table.functions.LookupFunction;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

/**
 * `'connector' = 'lookup-test'`: rows that stand in an option (`1,a;2,b`; an empty cell is NULL) and are looked up by key.
 * Flott's tests have a connector of the same name and options in flott_api::testing. Instead of rows it can have the path
 * of a file of such lines: Flink cannot look up in files, so `${LOOKUP_FILES}` is this connector for Flink.
 */
public final class LookupTest implements DynamicTableSourceFactory {
  private static final ConfigOption<String> ROWS = ConfigOptions.key("rows").stringType().noDefaultValue();
  private static final ConfigOption<String> PATH = ConfigOptions.key("path").stringType().noDefaultValue();
  private static final ConfigOption<String> FORMAT = ConfigOptions.key("format").stringType().noDefaultValue();
  private static final ConfigOption<String> ASYNC = ConfigOptions.key("async").stringType().defaultValue("false");
  private static final ConfigOption<Integer> MISSES = ConfigOptions.key("misses").intType().defaultValue(0);

  @Override
  public String factoryIdentifier() {
    return "lookup-test";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of();
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return new HashSet<>(Arrays.asList(ROWS, PATH, FORMAT, ASYNC, MISSES, LookupOptions.CACHE_TYPE, LookupOptions.MAX_RETRIES,
        LookupOptions.PARTIAL_CACHE_CACHE_MISSING_KEY, LookupOptions.PARTIAL_CACHE_EXPIRE_AFTER_ACCESS,
        LookupOptions.PARTIAL_CACHE_EXPIRE_AFTER_WRITE, LookupOptions.PARTIAL_CACHE_MAX_ROWS));
  }

  @Override
  public DynamicTableSource createDynamicTableSource(Context context) {
    FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
    helper.validate();
    DataType type = context.getPhysicalRowDataType();
    RowType row = (RowType) type.getLogicalType();
    int[] all = new int[row.getFieldCount()];
    Arrays.setAll(all, i -> i);
    return new Source(helper.getOptions(), row, all);
  }

  private static final class Source implements LookupTableSource, SupportsProjectionPushDown {
    private final ReadableConfig options;
    private final RowType row;
    private int[] projection;

    Source(ReadableConfig options, RowType row, int[] projection) {
      this.options = options;
      this.row = row;
      this.projection = projection;
    }

    @Override
    public LookupRuntimeProvider getLookupRuntimeProvider(LookupContext context) {
      int[] keys = Arrays.stream(context.getKeys()).mapToInt(path -> path[0]).toArray();
      Table table = new Table(rows(), keys, options.get(MISSES));
      boolean cached = options.get(LookupOptions.CACHE_TYPE) == LookupOptions.LookupCacheType.PARTIAL;
      LookupCache cache = cached ? DefaultLookupCache.fromConfig(options) : null;
      switch (options.get(ASYNC)) {
        case "true":
          return cached ? PartialCachingAsyncLookupProvider.of(new Async(table), cache)
              : AsyncLookupFunctionProvider.of(new Async(table));
        case "both":
          return new Both(table);
        default:
          return cached ? PartialCachingLookupProvider.of(new Sync(table), cache)
              : LookupFunctionProvider.of(new Sync(table));
      }
    }

    private List<Object[]> rows() {
      List<Object[]> rows = new ArrayList<>();
      for (String line : lines()) {
        String[] cells = line.split(",", -1);
        Object[] values = new Object[projection.length];
        Arrays.setAll(values, i -> value(cells[projection[i]].strip(), row.getTypeAt(projection[i])));
        rows.add(values);
      }
      return rows;
    }

    private String[] lines() {
      if (options.get(PATH) == null) {
        return options.get(ROWS).split(";");
      }
      try {
        return Files.readAllLines(Path.of(options.get(PATH))).toArray(new String[0]);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }

    private static Object value(String cell, LogicalType type) {
      if (cell.isEmpty()) {
        return null;
      }
      switch (type.getTypeRoot()) {
        case INTEGER:
          return Integer.valueOf(cell);
        case BIGINT:
          return Long.valueOf(cell);
        case VARCHAR:
          return cell;
        default:
          throw new IllegalArgumentException("a column of type " + type);
      }
    }

    @Override
    public boolean supportsNestedProjection() {
      return false;
    }

    @Override
    public void applyProjection(int[][] fields, DataType producedDataType) {
      int[] before = projection;
      projection = Arrays.stream(fields).mapToInt(path -> before[path[0]]).toArray();
    }

    @Override
    public DynamicTableSource copy() {
      return new Source(options, row, projection);
    }

    @Override
    public String asSummaryString() {
      return "lookup-test";
    }
  }

  private static final class Table implements java.io.Serializable {
    private final List<Object[]> rows;
    private final int[] keys;
    private final int misses;
    private transient Map<List<Object>, Integer> asked;

    Table(List<Object[]> rows, int[] keys, int misses) {
      this.rows = rows;
      this.keys = keys;
      this.misses = misses;
    }

    /** The rows of a key; none for the first lookups of it. */
    Collection<RowData> find(RowData key) {
      List<Object> wanted = new ArrayList<>();
      for (int i = 0; i < keys.length; i++) {
        Object value = ((GenericRowData) key).getField(i);
        wanted.add(value instanceof StringData ? value.toString() : value);
      }
      if (asked == null) {
        asked = new HashMap<>();
      }
      List<RowData> found = new ArrayList<>();
      if (asked.merge(wanted, 1, Integer::sum) <= misses) {
        return found;
      }
      for (Object[] row : rows) {
        boolean equal = true;
        for (int i = 0; i < keys.length; i++) {
          equal &= wanted.get(i) != null && wanted.get(i).equals(row[keys[i]]);
        }
        if (equal) {
          found.add(GenericRowData.of(Arrays.stream(row)
              .map(cell -> cell instanceof String ? StringData.fromString((String) cell) : cell).toArray()));
        }
      }
      return found;
    }
  }

  public static final class Sync extends LookupFunction {
    private final Table table;

    Sync(Table table) {
      this.table = table;
    }

    @Override
    public Collection<RowData> lookup(RowData key) {
      return table.find(key);
    }
  }

  public static final class Async extends AsyncLookupFunction {
    private final Table table;

    Async(Table table) {
      this.table = table;
    }

    @Override
    public CompletableFuture<Collection<RowData>> asyncLookup(RowData key) {
      return CompletableFuture.completedFuture(table.find(key));
    }
  }

  private static final class Both implements LookupFunctionProvider, AsyncLookupFunctionProvider {
    private final Table table;

    Both(Table table) {
      this.table = table;
    }

    @Override
    public LookupFunction createLookupFunction() {
      return new Sync(table);
    }

    @Override
    public AsyncLookupFunction createAsyncLookupFunction() {
      return new Async(table);
    }
  }
}
