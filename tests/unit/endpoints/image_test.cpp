#include "image/image_info.hpp"
#include "unit/endpoints/endpoint_fixture.hpp"

namespace millrace::endpoints::test {
namespace {

MemoryRequest post(std::string target, std::vector<std::string> body) {
  MemoryRequest request{
      .method = Method::kPost, .target = std::move(target), .body = std::move(body)};
  request.route_path = request.target.substr(0, request.target.find('?'));
  return request;
}

image::ImageInfo info_of(const Answered& a) {
  const auto info = image::image_info(std::as_bytes(std::span(a->body())));
  EXPECT_TRUE(info) << a->body().substr(0, 200);
  return info.value_or(image::ImageInfo{});
}

TEST(ImageInfo, TellsTheFacts) {
  const std::string file = read_image("raccoon.jpg");
  const image::ImageInfo facts = image::image_info(std::as_bytes(std::span(file))).value();
  const std::string body = ask("image", post("/info", {file}))->body();
  EXPECT_EQ(body, "{\"format\":\"jpeg\",\"width\":" + std::to_string(facts.width) +
                      ",\"height\":" + std::to_string(facts.height) +
                      ",\"channels\":3,\"bits\":8,\"orientation\":1,\"progressive\":" +
                      (facts.progressive ? "true" : "false") +
                      ",\"frames\":1,\"bytes\":" + std::to_string(file.size()) + "}\n");
}

TEST(Grayscale, GivesTheSameImageInGray) {
  const std::string file = read_image("raccoon.jpg");
  const Answered a = ask("image", post("/grayscale", {file}));
  ASSERT_EQ(a.errc(), Errc::kCount_) << a->detail;
  EXPECT_EQ(a->field("Content-Type"), "image/jpeg");
  EXPECT_NE(a->field("Server-Timing"), "");
  const image::ImageInfo in = image::image_info(std::as_bytes(std::span(file))).value();
  const image::ImageInfo out = info_of(a);
  EXPECT_EQ(out.channels, 1U);
  EXPECT_EQ(out.width, in.width);
  EXPECT_EQ(out.height, in.height);
}

TEST(Grayscale, ParametersReachTheWork) {
  const std::string file = read_image("raccoon.jpg");
  const Answered png = ask("image", post("/grayscale?format=png&method=linear", {file}));
  EXPECT_EQ(png->field("Content-Type"), "image/png");
  EXPECT_EQ(info_of(png).format, image::Format::kPng);
  const Answered small = ask("image", post("/grayscale?quality=1&format=jpg", {file}));
  const Answered large = ask("image", post("/grayscale?quality=100", {file}));
  EXPECT_LT(small->body().size(), large->body().size() / 4);
}

TEST(Grayscale, BadParametersAreNamed) {
  for (const auto& [query, name] : {std::pair{"quality=0", "quality"},
                                    {"quality=101", "quality"},
                                    {"quality=x", "quality"},
                                    {"method=sepia", "method"},
                                    {"format=bmp", "format"},
                                    {"format=", "format"}}) {
    const Answered a = ask("image", post(std::string("/grayscale?") + query, {"x"}));
    EXPECT_EQ(a.errc(), Errc::kBadParameter) << query;
    EXPECT_TRUE(a->detail.contains(name)) << a->detail;
    EXPECT_EQ(a->pieces_read(), 0U) << "before the body was taken in";
  }
}

TEST(Image, WhatIsNoneIsRefused) {
  EXPECT_EQ(ask("image", post("/info", {"just a text"})).errc(), Errc::kUnsupportedMedia);
  EXPECT_EQ(ask("image", post("/grayscale", {})).errc(), Errc::kEmptyBody);
  const std::string file = read_image("raccoon.jpg");
  const Answered cut = ask("image", post("/grayscale", {file.substr(0, file.size() / 2)}));
  EXPECT_EQ(cut.errc(), Errc::kMalformedMedia);
  EXPECT_NE(cut->detail, "");
}

TEST(Image, WhatIsNoneIsNotTakenInToTheEnd) {
  const Answered a =
      ask("image", post("/grayscale", std::vector<std::string>(100, std::string(10'000, 'x'))));
  EXPECT_EQ(a.errc(), Errc::kUnsupportedMedia);
  EXPECT_EQ(a->pieces_read(), 7U) << "64 KiB are enough to know";
}

TEST(Image, PixelsAreCappedBeforeAnythingIsDecoded) {
  const std::string file = read_image("raccoon.jpg");
  const std::uint64_t pixels = image::image_info(std::as_bytes(std::span(file))).value().pixels();
  Endpoints endpoints;
  endpoints.context.image_pixels_max = pixels;
  EXPECT_EQ(ask(endpoints.context, "image", post("/grayscale", {file})).errc(), Errc::kCount_);
  endpoints.context.image_pixels_max = pixels - 1;
  const Answered a = ask(endpoints.context, "image", post("/grayscale", {file}));
  EXPECT_EQ(a.errc(), Errc::kMediaTooLarge);
  EXPECT_TRUE(a->detail.contains("image.pixels_max")) << a->detail;
}

TEST(All, SetsTheRouteForTheLog) {
  const Answered image =
      ask("all", {.method = Method::kPost, .target = "/v1/image/info", .body = {"x"}});
  EXPECT_EQ(image->route_name, "/v1/image/*");
  EXPECT_EQ(image->route_path, "/info");
  EXPECT_EQ(ask("all", {.target = "/bytes?n=1", .no_body = true})->route_name, "/bytes");
  EXPECT_EQ(ask("all", {.target = "/nowhere", .no_body = true}).errc(), Errc::kNotFound);
  EXPECT_EQ(ask("all", {.target = "/v1/image", .no_body = true}).errc(), Errc::kNotFound);
  EXPECT_EQ(ask("all", {.target = "/v1/imagery/info", .no_body = true}).errc(), Errc::kNotFound);
}

TEST(All, IndexIsAPageForBrowsersAndJsonForOthers) {
  const Answered json = ask("all", {.target = "/", .no_body = true});
  EXPECT_EQ(json->field("Content-Type"), "application/json");
  EXPECT_TRUE(json->body().contains("/v1/image/grayscale"));
  const Answered page =
      ask("all", {.target = "/", .no_body = true, .fields = {{"Accept", "text/html,*/*;q=0.8"}}});
  EXPECT_EQ(page->field("Content-Type"), "text/html; charset=utf-8");
  EXPECT_TRUE(page->body().contains("/v1/image/grayscale"));
}

}  // namespace
}  // namespace millrace::endpoints::test
