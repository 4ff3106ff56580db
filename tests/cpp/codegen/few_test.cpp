// Few is a vector that starts in place.
#include "codegen/few.h"

#include <gtest/gtest.h>

#include <memory>

namespace kiln {
namespace {

TEST(Few, GrowsFromItsPlaceIntoTheHeap) {
  Few<int, 4> list;
  for (int i = 0; i < 20; ++i) {
    list.push_back(i);
    ASSERT_EQ(list.size(), static_cast<size_t>(i + 1));
    for (int j = 0; j <= i; ++j) EXPECT_EQ(list[static_cast<size_t>(j)], j);
  }
}

TEST(Few, NewItemsAreNothing) {
  for (const size_t size : {3U, 4U, 5U, 100U}) {
    auto* const place = new char[sizeof(Few<int*, 4>)];
    std::fill_n(place, sizeof(Few<int*, 4>), '\x55');
    auto* const list = new (place) Few<int*, 4>(size);
    for (int* p : *list) EXPECT_EQ(p, nullptr);
    list->~Few();
    delete[] place;
  }
}

TEST(Few, KeepsWhatOwns) {
  auto held = std::make_shared<int>(7);
  {
    Few<std::shared_ptr<int>, 2> list;
    for (int i = 0; i < 5; ++i) list.push_back(held);
    EXPECT_EQ(held.use_count(), 6);
    EXPECT_EQ(*list.back(), 7);
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace kiln
