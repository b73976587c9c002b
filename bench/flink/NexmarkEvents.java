import java.nio.charset.StandardCharsets;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/**
 * What each event is, as a pure function of its number: `crates/connectors/src/nexmark` says the same in Rust.
 *
 * <p>The random numbers are a counter that is mixed (SplitMix64), so texts that nobody reads are stepped over, not made.
 */
final class NexmarkEvents {
  private static final int PERSONS = 1;
  private static final int AUCTIONS = 3;
  private static final int TOTAL = 50;
  private static final long FIRST_ID = 1000;
  private static final long FIRST_CATEGORY = 10;
  private static final long CATEGORIES = 5;
  private static final long ID_LEAD = 10;
  private static final long HOT_EVERY = 100;
  private static final long ACTIVE = 1000;
  private static final long IN_FLIGHT = 100;
  private static final int HOT_AUCTIONS = 2;
  private static final int HOT_BIDDERS = 4;
  private static final int HOT_SELLERS = 4;
  private static final long PERSON_BYTES = 200;
  private static final long AUCTION_BYTES = 500;
  private static final long BID_BYTES = 100;
  private static final int CHANNELS = 10_000;
  private static final String[] HOT_CHANNELS = {"Google", "Facebook", "Baidu", "Apple"};
  private static final StringData[] STATES = texts("AZ", "CA", "ID", "OR", "WA", "WY");
  private static final StringData[] CITIES = texts(
      "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne");
  private static final byte[][] FIRST_NAMES =
      bytes("Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter");
  private static final byte[][] LAST_NAMES =
      bytes("Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris");
  private static final StringData[] CHANNEL = new StringData[HOT_CHANNELS.length + CHANNELS];
  private static final StringData[] URL = new StringData[HOT_CHANNELS.length + CHANNELS];
  private static final long GOLDEN = 0x9e3779b97f4a7c15L;
  private static final int[] COLUMNS = {0, 8, 10, 7};

  static {
    NexmarkEvents maker = new NexmarkEvents(1, 0, new int[0][]);
    for (int i = 0; i < HOT_CHANNELS.length; i++) {
      CHANNEL[i] = text(HOT_CHANNELS[i]);
      URL[i] = text(maker.address(-1L - i));
    }
    for (int i = 0; i < CHANNELS; i++) {
      String address = maker.address(i);
      maker.seed(i ^ 0x5bd1e995L);
      if (maker.below(10) > 0) {
        address += "&channel_id=" + Integer.toUnsignedString(Math.abs(Integer.reverse(i)));
      }
      CHANNEL[HOT_CHANNELS.length + i] = text("channel-" + i);
      URL[HOT_CHANNELS.length + i] = text(address);
    }
  }

  private final double delayMicros;
  private final long base;
  private final int[][] fields;
  /** For each kind, which of its fields anyone reads. */
  private final boolean[][] read = new boolean[4][];
  private long state;
  private byte[] text = new byte[1024];
  private int length;

  NexmarkEvents(int rate, long base, int[][] fields) {
    this.delayMicros = 1_000_000.0 / rate;
    this.base = base;
    this.fields = fields;
    for (int kind = 0; kind < read.length; kind++) {
      read[kind] = new boolean[COLUMNS[kind]];
    }
    for (int[] field : fields) {
      for (int i = 0; i < COLUMNS[field[0]]; i++) {
        read[field[0]][i] |= field.length == 1 || field[1] == i;
      }
    }
  }

  /** When an event takes place. */
  long time(long event) {
    return base + (long) (event * delayMicros) / 1000;
  }

  RowData row(long event) {
    long offset = event % TOTAL;
    int kind = offset < PERSONS ? 1 : offset < PERSONS + AUCTIONS ? 2 : 3;
    Object[] values = new Object[COLUMNS[kind]];
    seed(event);
    TimestampData time = TimestampData.fromEpochMillis(time(event));
    switch (kind) {
      case 1 -> person(event, time, values, read[1]);
      case 2 -> auction(event, time, values, read[2]);
      default -> bid(event, time, values, read[3]);
    }
    GenericRowData row = new GenericRowData(fields.length);
    for (int i = 0; i < fields.length; i++) {
      int[] field = fields[i];
      if (field[0] == 0) {
        row.setField(i, kind - 1);
      } else if (field[0] == kind) {
        row.setField(i, field.length == 1 ? GenericRowData.of(values) : values[field[1]]);
      }
    }
    return row;
  }

  private void person(long event, TimestampData time, Object[] values, boolean[] read) {
    values[0] = FIRST_ID + lastPerson(event);
    length = 0;
    append(FIRST_NAMES[(int) below(FIRST_NAMES.length)]);
    text[length++] = ' ';
    append(LAST_NAMES[(int) below(LAST_NAMES.length)]);
    long has = 8 + length;
    values[1] = read[1] ? text() : null;
    int user = 3 + (int) below(4);
    int domain = 3 + (int) below(2);
    length = 0;
    letters(user, read[2]);
    text[length++] = '@';
    letters(domain, read[2]);
    append(".com".getBytes(StandardCharsets.UTF_8));
    has += length;
    values[2] = read[2] ? text() : null;
    length = 0;
    for (int group = 0; group < 4; group++) {
      if (group > 0) {
        text[length++] = ' ';
      }
      long digits = below(10_000);
      for (long place = 1000; place > 0; place /= 10) {
        text[length++] = (byte) ('0' + digits / place % 10);
      }
    }
    has += length;
    values[3] = read[3] ? text() : null;
    StringData city = CITIES[(int) below(CITIES.length)];
    StringData home = STATES[(int) below(STATES.length)];
    values[4] = city;
    values[5] = home;
    values[6] = time;
    if (read[7]) {
      values[7] = extra(has + size(city) + size(home), PERSON_BYTES);
    }
  }

  private void auction(long event, TimestampData time, Object[] values, boolean[] read) {
    values[0] = FIRST_ID + lastAuction(event);
    values[7] = FIRST_ID + seller(event);
    values[8] = FIRST_CATEGORY + below(CATEGORIES);
    long initial = price();
    values[3] = initial;
    values[4] = initial + price();
    values[5] = time;
    long now = time.getMillisecond();
    long horizon = time(event + IN_FLIGHT * TOTAL / AUCTIONS) - now;
    values[6] = TimestampData.fromEpochMillis(now + 1 + below(Math.max(horizon * 2, 1)));
    if (!(read[1] || read[2] || read[9])) {
      return;
    }
    long has = 48 + words(20, read[1]);
    values[1] = read[1] ? text() : null;
    has += words(100, read[2]);
    values[2] = read[2] ? text() : null;
    values[9] = read[9] ? extra(has, AUCTION_BYTES) : null;
  }

  private void bid(long event, TimestampData time, Object[] values, boolean[] read) {
    long last = lastAuction(event);
    long auction;
    if (below(HOT_AUCTIONS) > 0) {
      auction = last / HOT_EVERY * HOT_EVERY;
    } else {
      long oldest = Math.max(last - IN_FLIGHT, 0);
      auction = oldest + below(last - oldest + 1 + ID_LEAD);
    }
    values[0] = FIRST_ID + auction;
    long bidder = below(HOT_BIDDERS) > 0 ? lastPerson(event) / HOT_EVERY * HOT_EVERY + 1 : anyPerson(event);
    values[1] = FIRST_ID + bidder;
    values[5] = time;
    if (!(read[2] || read[3] || read[4] || read[6])) {
      return;
    }
    values[2] = price();
    int source = below(2) > 0 ? (int) below(HOT_CHANNELS.length) : HOT_CHANNELS.length + (int) below(CHANNELS);
    values[3] = CHANNEL[source];
    values[4] = URL[source];
    values[6] = read[6] ? extra(32, BID_BYTES) : null;
  }

  private static long lastPerson(long event) {
    return event / TOTAL * PERSONS + Math.min(event % TOTAL, PERSONS - 1);
  }

  private static long lastAuction(long event) {
    long round = event / TOTAL;
    long offset = event % TOTAL;
    if (offset < PERSONS) {
      return Math.max(round * AUCTIONS - 1, 0);
    }
    return round * AUCTIONS + Math.min(offset - PERSONS, AUCTIONS - 1);
  }

  private long anyPerson(long event) {
    long people = lastPerson(event) + 1;
    long active = Math.min(people, ACTIVE);
    return people - active + below(active + ID_LEAD);
  }

  private long seller(long event) {
    return below(HOT_SELLERS) > 0 ? lastPerson(event) / HOT_EVERY * HOT_EVERY : anyPerson(event);
  }

  private void seed(long event) {
    state = event * 0xd1342543de82ef95L + GOLDEN;
  }

  private long next() {
    state += GOLDEN;
    long z = state;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  private long below(long n) {
    long bits = next();
    // The upper half of an unsigned product, which Java has from version 18 on.
    return Math.multiplyHigh(bits, n) + ((bits >> 63) & n);
  }

  private long price() {
    double unit = (next() >>> 11) / (double) (1L << 53);
    return Math.round(Math.pow(10, unit * 6) * 100);
  }

  private StringData extra(long has, long average) {
    length = 0;
    long wanted = average - has;
    if (wanted >= 0) {
      long delta = Math.round(wanted * 0.2);
      long spread = delta == 0 ? 0 : below(2 * delta);
      letters((int) (wanted - delta + spread), true);
    }
    return text();
  }

  /** Appends letters, or only the room that they take. */
  private void letters(int count, boolean made) {
    if (!made) {
      state += GOLDEN * (count / 8 + 1);
      length += count;
      return;
    }
    int end = length + count;
    for (int left = count; ; left -= 8) {
      long bits = next();
      for (int i = 0; i < Math.min(left, 8); i++) {
        text[length++] = (byte) ('a' + (((bits >>> (8 * i)) & 0xff) * 26 >> 8));
      }
      if (left < 8) {
        assert length == end;
        return;
      }
    }
  }

  private int words(int max, boolean made) {
    length = 0;
    int count = 3 + (int) below(max - 3);
    letters(count, made);
    long blanks = next();
    for (int i = 0; made && i < count - 2; i++) {
      if ((Long.rotateLeft(blanks, i * 5) & 0x3f) < 5) {
        text[i + 1] = ' ';
      }
    }
    return count;
  }

  private String address(long seed) {
    seed(seed ^ 0x9747b28cL);
    length = 0;
    append("https://www.nexmark.com/".getBytes(StandardCharsets.UTF_8));
    for (int i = 0; i < 3; i++) {
      letters(3 + (int) below(2), true);
      text[length++] = '/';
    }
    append("item.htm?query=1".getBytes(StandardCharsets.UTF_8));
    return text().toString();
  }

  private void append(byte[] more) {
    System.arraycopy(more, 0, text, length, more.length);
    length += more.length;
  }

  private StringData text() {
    byte[] copy = new byte[length];
    System.arraycopy(text, 0, copy, 0, length);
    return StringData.fromBytes(copy);
  }

  private static int size(StringData text) {
    return text.toBytes().length;
  }

  private static byte[][] bytes(String... texts) {
    byte[][] bytes = new byte[texts.length][];
    for (int i = 0; i < texts.length; i++) {
      bytes[i] = texts[i].getBytes(StandardCharsets.UTF_8);
    }
    return bytes;
  }

  private static StringData[] texts(String... texts) {
    StringData[] data = new StringData[texts.length];
    for (int i = 0; i < texts.length; i++) {
      data[i] = text(texts[i]);
    }
    return data;
  }

  /** In bytes, which Flink works with, and not as a String that each task would encode. */
  private static StringData text(String text) {
    return StringData.fromBytes(text.getBytes(StandardCharsets.UTF_8));
  }
}
